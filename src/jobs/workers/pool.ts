import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MillraceError, UsageError } from '../../core/errors.ts';
import type { Partition, PartitionProgress } from '../../core/job.ts';
import type { SealOrder } from '../partition-sealer.ts';
import type { OnSeal } from '../seal-partition.ts';
import type { FromWorker, ToWorker, WorkerFailure, WorkerTask } from './messages.ts';

// The same file beside this one, compiled or not.
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? 'thread.ts' : 'thread.js',
  import.meta.url,
);

/**
 * A worker's objects live no longer than a block: a small young generation holds them, where the
 * engine would let it grow to many times that.
 */
const LIMITS = { maxYoungGenerationSizeMb: 2 };

/** A thread, and a promise that is rejected with what it died of, maybe before anybody asked it. */
interface Member {
  readonly worker: Worker;
  readonly failure: Promise<never>;
}

/**
 * Threads that prepare partitions, one each at a time, started when there is something to do, or
 * before. A worker writes its own shard files; what the job remembers is written here. Close it,
 * whatever happened.
 */
export class WorkerPool {
  readonly #task: WorkerTask;
  readonly #size: number;
  readonly #idle: Member[] = [];
  readonly #all: Worker[] = [];

  constructor(size: number, task: WorkerTask) {
    this.#size = size;
    this.#task = task;
  }

  /** Starts all threads, so that they are ready when there is something to do. */
  start(): void {
    while (this.#all.length < this.#size) this.#idle.push(this.#start());
  }

  /** As PartitionSealer, in a thread. No more calls at a time than the pool has threads. */
  async seal(partition: Partition, order: SealOrder): Promise<PartitionProgress> {
    const { row, head, onSeal, signal } = order;
    signal?.throwIfAborted();
    const member = this.#idle.pop() ?? this.#start();
    const { worker } = member;
    const abort = () => post(worker, { kind: 'abort' });
    signal?.addEventListener('abort', abort, { once: true });
    try {
      post(worker, { kind: 'seal', partition, row, head });
      const progress = await follow(member, onSeal);
      this.#idle.push(member);
      return progress;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }

  #start(): Member {
    if (this.#all.length >= this.#size) {
      throw new MillraceError('worker_failed', 'more partitions at a time than threads');
    }
    const worker = new Worker(THREAD, { workerData: this.#task, resourceLimits: LIMITS });
    this.#all.push(worker);
    const failure = Promise.race([
      once(worker, 'error').then(([error]) => Promise.reject(error)),
      once(worker, 'exit').then(([code]) => Promise.reject(exited(code))),
    ]);
    // Nobody waits for it while there is nothing to do.
    failure.catch(() => undefined);
    return { worker, failure };
  }
}

/** Records what a worker seals until it is done or has failed. */
async function follow({ worker, failure }: Member, onSeal: OnSeal): Promise<PartitionProgress> {
  const over = new AbortController();
  const { signal } = over;
  try {
    for (;;) {
      const next = once(worker, 'message', { signal }) as Promise<[FromWorker]>;
      const [message] = await Promise.race([next, failure]);
      if (message.kind === 'done') return message.progress;
      if (message.kind === 'failed') throw revive(message.failure);
      try {
        await onSeal(message.shard, message.progress, message.head);
        post(worker, { kind: 'recorded' });
      } catch (error) {
        // What is not recorded must not be built upon: the worker gives up first.
        post(worker, { kind: 'abort' });
        await Promise.race([once(worker, 'message', { signal }), failure]);
        throw error;
      }
    }
  } finally {
    over.abort();
  }
}

function post(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function exited(code: unknown): MillraceError {
  return new MillraceError(
    'worker_failed',
    `a worker thread ended with exit code ${code}: give the same command again, or --workers 1`,
    { retryable: true },
  );
}

function revive(failure: WorkerFailure): Error {
  const { name, code, message, retryable, stack } = failure;
  if (code === 'usage') return new UsageError(message);
  if (name === 'MillraceError' && code !== undefined) {
    return new MillraceError(code, message, { retryable });
  }
  const error = Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
  if (stack !== undefined) error.stack = stack;
  return error;
}
