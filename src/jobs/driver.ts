import { FenceError, isAbort, MillraceError, ServiceError } from '../core/errors.ts';
import type { Task, TaskKind } from '../core/job.ts';
import { backoffMs, type RetryPolicy } from '../core/retry.ts';
import { advance } from './advance.ts';
import type { Context, Step } from './context.ts';

/** Tasks of one kind that run at the same time. Two uploads fill a line and two cores. */
const CONCURRENCY: Readonly<Record<TaskKind, number>> = {
  grant: 1,
  upload: 2,
  submit: 4,
  poll: 4,
  collect: 2,
  split: 1,
  retry: 1,
  clean: 1,
  sweep: 1,
  finish: 1,
};

/** How long the queue is not looked at when nothing is due: another process may ask to cancel. */
const IDLE_MS = 1000; // 1 s

/** Of a failed step: it is tried for as long as the job runs, since waiting costs nothing. */
const STEP_RETRY: Pick<RetryPolicy, 'baseMs' | 'maxMs'> = {
  baseMs: 1000, // 1 s
  maxMs: 5 * 60 * 1000, // 5 min
};

export interface DriverOptions {
  /** Ends the run: asked after each step, and at least every second. */
  readonly until: () => Promise<boolean>;
  /** Called after every step and every wait. */
  readonly onProgress?: () => void;
  readonly step?: Step;
}

/**
 * Runs a job's tasks in this process, one worker of the store's queue. A step that fails for a
 * passing reason is tried again with growing waits; any other failure ends the run once the steps
 * under way have ended. An abort ends it at the next safe point: the steps under way end or give
 * up, and the store says where to go on.
 */
export class EmbeddedDriver {
  readonly #context: Context;
  readonly #options: DriverOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #perKind = new Map<TaskKind, number>();
  readonly #failures = new Map<string, number>();
  #failure: { error: unknown } | null = null;
  /** Whether something happened since the queue was last read. */
  #news = false;
  #wake: () => void = () => undefined;

  constructor(context: Context, options: DriverOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Looks at the queue now: something was put by somebody else. */
  wake(): void {
    this.#news = true;
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted && this.#failure === null) {
        const dueInMs = await this.#startDue(signal);
        if ((await this.#options.until()) && this.#running.size === 0) return;
        await this.#waitForNews(dueInMs, signal);
        this.#options.onProgress?.();
      }
    } finally {
      await Promise.allSettled(this.#running.values());
    }
    signal.throwIfAborted();
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Starts what is due and free to run; gives the ms until the next task is due. */
  async #startDue(signal: AbortSignal): Promise<number> {
    this.#news = false;
    const tasks = await this.#context.store.read((tx) => tx.tasks());
    const now = this.#context.clock.now();
    let dueInMs = IDLE_MS;
    for (const task of tasks) {
      const key = `${task.kind} ${task.id}`;
      if (this.#running.has(key)) continue;
      if (task.runAt > now) {
        dueInMs = Math.min(dueInMs, task.runAt - now);
      } else if ((this.#perKind.get(task.kind) ?? 0) < CONCURRENCY[task.kind]) {
        this.#start(key, task, signal);
      }
    }
    return dueInMs;
  }

  #start(key: string, task: Task, signal: AbortSignal): void {
    this.#perKind.set(task.kind, (this.#perKind.get(task.kind) ?? 0) + 1);
    const run = this.#attempt(key, task, signal)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(key);
        this.#perKind.set(task.kind, (this.#perKind.get(task.kind) ?? 1) - 1);
        this.wake();
      });
    this.#running.set(key, run);
  }

  async #attempt(key: string, task: Task, signal: AbortSignal): Promise<void> {
    try {
      await (this.#options.step ?? advance)(this.#context, task, signal);
      this.#failures.delete(key);
    } catch (error) {
      if (isAbort(error, signal) || signal.aborted) return;
      // The row moved on while the step ran: the task is looked at again, and is then a no-op.
      if (error instanceof FenceError) return this.#again(task, 0);
      if (!(error instanceof MillraceError) || !error.retryable) throw error;
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      const asked = error instanceof ServiceError ? (error.retryAfterMs ?? 0) : 0;
      const scale = this.#context.settings.pollIntervalMs / (60 * 1000);
      const policy = {
        tries: 0,
        baseMs: STEP_RETRY.baseMs * scale,
        maxMs: STEP_RETRY.maxMs * scale,
      };
      await this.#again(task, Math.max(asked, backoffMs(policy, failures, this.#context.random)));
    }
  }

  #again(task: Task, waitMs: number): Promise<void> {
    const { store, clock } = this.#context;
    return store.transaction(async (tx) => {
      await tx.doneTask(task);
      await tx.putTask(task.kind, task.id, clock.now() + waitMs);
    });
  }

  /** Until a step ends, `wake` is called, or the time is over. */
  async #waitForNews(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#news || signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    const over = new AbortController();
    this.#wake = () => woken.resolve();
    const stop = () => woken.resolve();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const timer = this.#context.clock.sleep(ms, over.signal).catch(() => undefined);
      await Promise.race([timer, woken.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
      over.abort();
    }
  }
}
