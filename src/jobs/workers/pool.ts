import { Worker } from 'node:worker_threads';
import { errorCode, MillraceError, UsageError } from '../../core/errors.ts';
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
      throw error instanceof Death ? this.#failed(partition, error) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }

  #failed({ name, source }: Partition, { how, remedy, cause }: Death): MillraceError {
    const label = this.#task.descriptions[source]?.label ?? 'the source';
    return new MillraceError(
      'worker_failed',
      `the thread that prepared ${name} of ${label} ${how}; what is sealed is kept: ${remedy}`,
      { retryable: true, cause },
    );
  }

  #start(): Member {
    if (this.#all.length >= this.#size) {
      throw new MillraceError('worker_failed', 'more partitions at a time than threads');
    }
    const worker = new Worker(THREAD, { workerData: this.#task, resourceLimits: LIMITS });
    this.#all.push(worker);
    const { promise: failure, reject } = Promise.withResolvers<never>();
    worker.once('error', (error) => reject(deathBy(error)));
    worker.once('exit', (code) => reject(deathBy(code)));
    // Nobody waits for it while there is nothing to do.
    failure.catch(() => undefined);
    return { worker, failure };
  }
}

/** Records what a worker seals until it is done or has failed. */
async function follow(member: Member, onSeal: OnSeal): Promise<PartitionProgress> {
  for (;;) {
    const message = await nextMessage(member);
    if (message.kind === 'done') return message.progress;
    if (message.kind === 'failed') throw revive(message.failure);
    try {
      await onSeal(message.shard, message.progress, message.head);
      post(member.worker, { kind: 'recorded' });
    } catch (error) {
      // What is not recorded must not be built upon: the worker gives up first.
      post(member.worker, { kind: 'abort' });
      await nextMessage(member);
      throw error;
    }
  }
}

async function nextMessage({ worker, failure }: Member): Promise<FromWorker> {
  const { promise, resolve } = Promise.withResolvers<FromWorker>();
  worker.once('message', resolve);
  try {
    return await Promise.race([promise, failure]);
  } finally {
    worker.off('message', resolve);
  }
}

function post(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

/** The end of a thread that was not asked to end. */
class Death {
  /** What it did, in words. */
  readonly how: string;
  readonly remedy: string;
  readonly cause: unknown;

  constructor(how: string, cause: unknown, remedy = AGAIN) {
    this.how = how;
    this.cause = cause;
    this.remedy = remedy;
  }
}

const AGAIN = 'mend the request module, if it has one, and give the same command again';

/** `cause` is an exit code or what was thrown, whose words may hold a record's text. */
function deathBy(cause: unknown): Death {
  if (typeof cause === 'number') return new Death(`ended with exit code ${cause}`, undefined);
  if (errorCode(cause) === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new Death('ran out of memory', cause, MORE_ROOM);
  }
  const name = cause instanceof Error ? cause.name : typeof cause;
  return new Death(`died of an error that nobody caught (${name})`, cause);
}

const MORE_ROOM =
  'give the same command again with NODE_OPTIONS=--max-old-space-size=MIB or fewer --workers';

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
