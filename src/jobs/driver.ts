import type { Task, TaskKind } from '../core/job.ts';
import { type Context, type Step, waitUntil } from './context.ts';
import { CONCURRENCY, laneOf } from './lanes.ts';
import { type Failures, runTask, taskKey } from './run-task.ts';

/** How long the queue is not looked at when nothing is due: another process may ask to cancel. */
const IDLE_MS = 1000; // 1 s

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
  readonly #perLane = new Map<TaskKind, number>();
  readonly #failures: Failures = new Map();
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
    let dueInMs = IDLE_MS;
    for (const task of tasks) {
      const key = taskKey(task);
      if (this.#running.has(key)) continue;
      const waitMs = waitUntil(this.#context, task.runAt);
      if (waitMs > 0) {
        dueInMs = Math.min(dueInMs, waitMs);
      } else if ((this.#perLane.get(laneOf(task)) ?? 0) < CONCURRENCY[laneOf(task)]) {
        this.#start(key, task, signal);
      }
    }
    return dueInMs;
  }

  #start(key: string, task: Task, signal: AbortSignal): void {
    const lane = laneOf(task);
    this.#perLane.set(lane, (this.#perLane.get(lane) ?? 0) + 1);
    const run = runTask(this.#context, task, signal, this.#failures, this.#options.step)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(key);
        this.#perLane.set(lane, (this.#perLane.get(lane) ?? 1) - 1);
        this.wake();
      });
    this.#running.set(key, run);
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
