import {
  errorCode,
  errorMessage,
  FenceError,
  isAbort,
  MillraceError,
  ServiceError,
} from '../core/errors.ts';
import type { Task } from '../core/job.ts';
import { backoffMs } from '../core/retry.ts';
import { advance } from './advance.ts';
import { type Context, jobRow, log, type Step } from './context.ts';
import { noteFailure, noteRecovery, passOver } from './target-trouble.ts';

/** Of a failed step: it is tried for as long as the job runs, since waiting costs nothing. */
const STEP_RETRY = {
  tries: Number.POSITIVE_INFINITY,
  baseMs: 1000, // 1 s
  maxMs: 2 * 60 * 1000, // 2 min: after an outage, work goes on within three polls
};

/** The poll interval that the waits above are meant for. */
const USUAL_POLL_MS = 60 * 1000; // 60 s

/** Nothing goes on before a person has seen to the disk. */
const DISK_TROUBLE: ReadonlySet<string> = new Set(['disk_full', 'write_failed', 'store_failed']);

/** How often in a row each task failed, by kind and id. */
export type Failures = Map<string, number>;

/** Names a task among those that may run side by side. */
export function taskKey({ kind, id }: Pick<Task, 'kind' | 'id'>): string {
  return `${kind} ${id}`;
}

/**
 * Runs a step of a task, the same for every driver. A failure that may pass puts the task back with
 * a growing wait, and says so in the job's log; a fence puts it back at once, as the row moved on. A
 * disk that is full or broken pauses the job. A target that refuses for good ends the run only when there
 * is nothing to go on with at another one. What is thrown ends the run; the store says where to go on.
 */
export async function runTask(
  context: Context,
  task: Task,
  signal: AbortSignal,
  failures: Failures,
  step: Step = advance,
): Promise<void> {
  const key = taskKey(task);
  try {
    await step(context, task, signal);
    if (failures.delete(key)) {
      await context.store.transaction((tx) => noteRecovery(tx, context, task));
    }
  } catch (error) {
    if (isAbort(error, signal) || signal.aborted) return;
    if (error instanceof FenceError) return again(context, task, 0);
    if (error instanceof MillraceError && DISK_TROUBLE.has(error.code)) {
      await pause(context, error);
      throw error;
    }
    if (!(error instanceof MillraceError)) throw error;
    const { pollIntervalMs } = context.settings;
    if (!error.retryable) {
      if (!(error instanceof ServiceError)) throw error;
      const elsewhere = await context.store.transaction((tx) => passOver(tx, context, task, error));
      if (!elsewhere) throw error;
      failures.set(key, (failures.get(key) ?? 0) + 1);
      return again(context, task, pollIntervalMs, error);
    }
    const count = failures.get(key) ?? 0;
    failures.set(key, count + 1);
    const asked = error instanceof ServiceError ? (error.retryAfterMs ?? 0) : 0;
    const scale = pollIntervalMs / USUAL_POLL_MS;
    const policy = {
      ...STEP_RETRY,
      baseMs: STEP_RETRY.baseMs * scale,
      maxMs: STEP_RETRY.maxMs * scale,
    };
    const waitMs = Math.max(asked, backoffMs(policy, count, context.random));
    await again(context, task, waitMs, error, count + 1);
  }
}

function again(
  context: Context,
  task: Task,
  waitMs: number,
  error?: MillraceError,
  tries = 1,
): Promise<void> {
  const { store, clock } = context;
  return store.transaction(async (tx) => {
    await tx.doneTask(task);
    await tx.putTask(task.kind, task.id, clock.now() + waitMs);
    if (error === undefined) return;
    if (error instanceof ServiceError && error.retryable) {
      await noteFailure(tx, context, task, error, tries);
    }
    await log(tx, context, 'step_failed', task.id, {
      task: task.kind,
      code: error.code,
      wait_ms: Math.round(waitMs),
      // The system's own words, such as a name that does not resolve.
      ...(error.code === 'connect_failed' ? { reason: networkReason(error.cause) } : {}),
    });
  });
}

function networkReason(cause: unknown): string | null {
  return errorMessage(cause) || (errorCode(cause) ?? null);
}

/** Gives whether it could be noted. */
async function pause(context: Context, { code, message }: MillraceError): Promise<boolean> {
  try {
    await context.store.transaction(async (tx) => {
      const job = await jobRow(tx);
      if (job.state !== 'running' && job.state !== 'preparing') return;
      await tx.updateJob(job.version, { state: 'paused', pause: message });
      await log(tx, context, 'paused', 'job', { code });
    });
    return true;
  } catch {
    // The store may lie on the same disk; the error that is thrown says it in any case.
    return false;
  }
}
