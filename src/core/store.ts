import type {
  BatchRow,
  EventRow,
  Hold,
  JobSpec,
  JobState,
  Partition,
  SealedShard,
  Shard,
  ShardState,
  TargetRow,
  Task,
  TaskKind,
} from './job.ts';

/**
 * The memory of one job. Every read and write happens inside `transaction`, which is atomic,
 * durable when it resolves, and serialised with every other one of the job. A transaction that
 * throws leaves nothing behind. Its function does no other input or output, and may be run again
 * by a store that met a conflict.
 *
 * Rows that several parties move carry a `version`: an update names the version that it saw and
 * throws a FenceError when the row has moved on. Versions only grow.
 */
export interface Store {
  transaction<R>(fn: (tx: Transaction) => R | Promise<R>): Promise<R>;
  /** A consistent view without the right to write; works while another process holds the job. */
  read<R>(fn: (tx: Reader) => R | Promise<R>): Promise<R>;
  close(): Promise<void>;
}

type Maybe<T> = T | Promise<T>;

export interface Reader {
  job(): Maybe<JobRow | undefined>;
  partitions(): Maybe<Partition[]>;
  shard(name: string): Maybe<Shard | undefined>;
  /** In the order in which they are to be sent: partition, then number; retries last. */
  shards(filter?: ShardFilter): Maybe<Shard[]>;
  countShards(): Maybe<Partial<Record<ShardState, number>>>;
  totals(): Maybe<Totals>;
  /** The last `joinedSeq` given, or 0. */
  lastJoinedSeq(): Maybe<number>;
  targets(): Maybe<TargetRow[]>;
  hold(shard: string, attempt: number): Maybe<Hold | undefined>;
  /** Holds whose tokens are not given back, or whose file is not known to be gone. */
  openHolds(): Maybe<Hold[]>;
  /** Every hold that was ever taken. */
  holds(): Maybe<Hold[]>;
  /** Sum of the tokens held on a target: open holds, and live batches that are not bound. */
  heldTokens(target: string): Maybe<number>;
  batch(id: string): Maybe<BatchRow | undefined>;
  batches(filter?: { shard?: string; live?: boolean }): Maybe<BatchRow[]>;
  /** Tasks in the order of `runAt`, at most 1,000. */
  tasks(): Maybe<Task[]>;
  events(afterSeq: number, limit: number): Maybe<EventRow[]>;
}

export interface Transaction extends Reader {
  insertJob(job: Omit<JobRow, 'version'>): Maybe<void>;
  updateJob(
    version: number,
    patch: Partial<Omit<JobRow, 'version' | 'name' | 'uid'>>,
  ): Maybe<JobRow>;
  insertPartition(partition: Omit<Partition, 'version'>): Maybe<void>;
  updatePartition(
    name: string,
    version: number,
    patch: Partial<Omit<Partition, 'name' | 'version'>>,
  ): Maybe<Partition>;
  /** Forgets the plan of a job that has no shard, so that it is planned anew. */
  dropPartitions(): Maybe<void>;
  insertShard(shard: SealedShard, order: number): Maybe<void>;
  /** The one way in which a shard moves. */
  moveShard(
    name: string,
    version: number,
    patch: Partial<Omit<Shard, 'version' | keyof SealedShard>>,
  ): Maybe<Shard>;
  putTarget(target: Omit<TargetRow, 'version'>): Maybe<void>;
  updateTarget(
    name: string,
    version: number,
    patch: Partial<Omit<TargetRow, 'name' | 'version'>>,
  ): Maybe<TargetRow>;
  insertHold(hold: Hold): Maybe<void>;
  /** Idempotent: what is already set is kept. */
  updateHold(shard: string, attempt: number, patch: Partial<Hold>): Maybe<void>;
  /** Inserts or updates. */
  putBatch(batch: BatchRow): Maybe<void>;
  /** Enqueues, or wakes what is enqueued already: the earlier `runAt` wins, `seq` grows. */
  putTask(kind: TaskKind, id: string, runAt: number): Maybe<void>;
  /** Completes, unless it was put again since it was taken. */
  doneTask(task: Task): Maybe<void>;
  appendEvent(event: Omit<EventRow, 'seq'>): Maybe<void>;
}

export interface ShardFilter {
  readonly states?: readonly ShardState[];
  readonly target?: string;
  /** Only those with left-over rows. */
  readonly leftover?: boolean;
  /** Only those joined after this `joinedSeq`, in the order of their joins. */
  readonly joinedAfter?: number;
  readonly limit?: number;
}

export interface JobRow {
  readonly name: string;
  /** Eight random hex digits: tells our files and batches from those of a job of the same name. */
  readonly uid: string;
  readonly createdAt: number;
  readonly spec: JobSpec;
  readonly state: JobState;
  /** Whether every partition is known (the sources are planned). */
  readonly planned: boolean;
  readonly cancelRequested: boolean;
  /** How often failed rows were reopened: each round gives rows a new budget of attempts. */
  readonly rounds: number;
  /** The records that go first, to tell what all will cost; null when none were asked for. */
  readonly sample: Sample | null;
  /** Why it is paused, or null. */
  readonly pause: string | null;
  readonly version: number;
}

/**
 * The first records of a job, sent before all others.
 *
 * - `running`: nothing else is granted until their answers are there.
 * - `shown`: what they came to was told; the job waits to be resumed.
 * - `over`: the rest goes as it would without.
 */
export interface Sample {
  readonly requests: number;
  readonly state: 'running' | 'shown' | 'over';
}

/** Sums over the job. */
export interface Totals {
  readonly shards: number;
  /** Requests and input tokens of first attempts (retry shards not counted again). */
  readonly requests: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly rejected: number;
  readonly ok: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Of shards whose every row was answered: input tokens as they were counted beforehand. */
  readonly measuredEstimate: number;
  /** Of the same shards, as the answers report them. */
  readonly measuredTokens: number;
  readonly attempts: number;
  readonly batches: number;
  readonly duplicateSubmissions: number;
}
