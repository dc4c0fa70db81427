import type { BatchError, BatchObject } from './batch.ts';
import type { Endpoint } from './request.ts';

/**
 * A shard's life. One method of the store makes every transition, by compare-and-set on `version`.
 *
 * - `sealed`: its files are whole and hashed. It waits for a submitter.
 * - `waiting`: refused or put back; it waits for quota until `readyAt`.
 * - `granted`: tokens and a file slot are held under its attempt; the target is bound.
 * - `uploading`: an upload may have begun. Found after a restart: look for the file by name and size.
 * - `uploaded`: the file id is bound; the service may still be reading the file.
 * - `submitting`: a create may have been sent at `intentAt`. Found after a restart: look for the
 *   batch by input file and metadata, until the grace is over.
 * - `submitted`, `running`, `finalizing`: a batch is bound; polling moves it.
 * - `ended`: the batch is terminal; its tokens are given back; its answers are to be read.
 * - `collecting`: its answers are being read.
 * - `joined`: every row has an outcome: final, or left over for a further attempt.
 * - `cleaned`: its local files that nobody needs any more are gone.
 *
 * A refusal, or a batch that ended without the job's rows being final, closes the attempt; the
 * shard (or the retry shard that takes its left-over rows) goes on with a new one. An attempt
 * never goes backwards.
 */
export type ShardState =
  | 'sealed'
  | 'waiting'
  | 'granted'
  | 'uploading'
  | 'uploaded'
  | 'submitting'
  | 'submitted'
  | 'running'
  | 'finalizing'
  | 'ended'
  | 'collecting'
  | 'joined'
  | 'cleaned';

/** What a sealed shard is: fixed for ever. */
export interface SealedShard {
  /** `<partition>-<n>`, or `r<n>` for a retry. */
  readonly name: string;
  /** Null for a retry shard. */
  readonly partition: string | null;
  readonly requests: number;
  /** Bytes of the request file. */
  readonly bytes: number;
  /** Input tokens, before the service's factor. */
  readonly tokens: number;
  /** Hex SHA-256 of the request file. */
  readonly sha256: string;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
}

/** A shard's row. */
export interface Shard extends SealedShard {
  readonly state: ShardState;
  /** Only grows. */
  readonly version: number;
  /** Counts from 1; 0 before the first grant. */
  readonly attempt: number;
  /** Name of the target it is bound to, from `granted` on. */
  readonly target: string | null;
  readonly fileId: string | null;
  readonly batchId: string | null;
  /** When a create was last about to be sent, ms, or null. */
  readonly intentAt: number | null;
  /** Not to be granted before, ms. */
  readonly readyAt: number;
  /** How often in a row the token limit refused it with nothing else of ours in flight. */
  readonly lonelyRefusals: number;
  /** The last thing that went wrong with it, in the service's words, or null. */
  readonly note: string | null;
  /** Rows by outcome, known from `joined` on. */
  readonly ok: number;
  readonly failed: number;
  /** Rows left over for a further attempt, not yet taken into a retry shard. */
  readonly leftover: number;
  /** Tokens that the answers report. */
  readonly usage: Usage;
  /** Counts joins from 1, in the order in which they happened; null before. */
  readonly joinedSeq: number | null;
}

/** Tokens that answers report, added up. */
export interface Usage {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
  readonly reasoning: number;
}

/** A byte range of a source, prepared by one worker at a time. */
export interface Partition {
  /** `p0000`, in the order of the sources. */
  readonly name: string;
  /** Index into the spec's sources. */
  readonly source: number;
  /** Byte range; `end` null for sources that are read whole. */
  readonly start: number;
  readonly end: number | null;
  /** Of its first record; null until the partitions before it are counted. */
  readonly firstOrdinal: number | null;
  /** Records in it; null until it is counted or prepared. */
  readonly records: number | null;
  readonly state: 'planned' | 'preparing' | 'prepared';
  readonly version: number;
  readonly progress: PartitionProgress;
}

/** How far a partition is sealed: what a restart goes on from. */
export interface PartitionProgress {
  /** Shards sealed. */
  readonly shards: number;
  /** Records read, the rejected included. */
  readonly records: number;
  readonly requests: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly tokens: number;
  /** Hex SHA-256 over the records read so far, chained seal by seal. */
  readonly sha256: string;
  /** Length of the partition's part of rejected.ndjson. */
  readonly rejectedBytes: number;
  /** Where the next record starts in the source, or null when it cannot be jumped to. */
  readonly resumeAt: number | null;
  /** Rows read up to there, for error positions. */
  readonly row: number;
}

/** Tokens and a file slot held for one attempt of one shard. */
export interface Hold {
  readonly shard: string;
  readonly attempt: number;
  readonly target: string;
  /** Tokens as the service will count them. */
  readonly tokens: number;
  readonly takenAt: number;
  /** When a terminal state was seen or the attempt was refused, or null. */
  readonly releasedAt: number | null;
  /** The input file of the attempt, once uploaded; its slot is free when `fileGoneAt` is set. */
  readonly fileId: string | null;
  readonly fileGoneAt: number | null;
}

/** A batch that we made or found. */
export interface BatchRow {
  readonly id: string;
  readonly target: string;
  readonly shard: string;
  readonly attempt: number;
  /** Whether it is the one that counts; a duplicate is found, cancelled, and not bound. */
  readonly bound: boolean;
  readonly status: BatchObject['status'];
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly total: number | null;
  readonly completed: number | null;
  readonly failed: number | null;
  readonly errors: readonly BatchError[];
  readonly createdAt: number;
  readonly endedAt: number | null;
  /** Tokens charged against the quota while it is not terminal. */
  readonly tokens: number;
}

/** A resource and deployment that shards are sent to. */
export interface TargetRow {
  readonly name: string;
  readonly resource: string;
  /** What the user said, in tokens as the service counts them; null when nothing was said. */
  readonly limit: number | null;
  /** What the service's own headers say of it; null when they say nothing. */
  readonly statedLimit: number | null;
  /** What was learned from refusals; null when nothing was. */
  readonly learnedLimit: number | null;
  /** How far beyond the limit it has been tried, with `dynamicQuota`; null when it was not. */
  readonly probedLimit: number | null;
  /** Tokens that others seem to have there. */
  readonly othersTokens: number;
  /** Input files of others on its resource, when they were last counted. */
  readonly othersFiles: number;
  /** Input files that its resource holds. */
  readonly maxFiles: number;
  /** Name of the deployment, or null for the job's own model. */
  readonly deployment: string | null;
  /** What its calls are authorised by, in words. Never a secret. */
  readonly credential: string | null;
  /** No grant before, ms. */
  readonly retryAt: number;
  /** Since when its calls have failed without one that went well, ms, or null. */
  readonly failingSince: number | null;
  /** It is left alone until then, ms, as long as others take its shards. */
  readonly restUntil: number;
  /** Why it takes no more shards in this run, or null. */
  readonly drained: string | null;
  readonly version: number;
}

/** What to do, on what. Payloads hold ids only. */
export interface Task {
  readonly kind: TaskKind;
  /** Partition, shard, target or resource; `job` for the job's own. */
  readonly id: string;
  /** Not before, ms. */
  readonly runAt: number;
  /** Grows with each put: `done` of an older one does not swallow a newer wish. */
  readonly seq: number;
}

/**
 * - `grant` (a target): binds waiting shards to the target as its quota admits.
 * - `upload`, `submit`, `collect` (a shard): one stretch of its life each.
 * - `split` (a shard): replaces a shard that the quota can never admit by two halves.
 * - `poll` (a resource): one list call moves every shard of it.
 * - `retry` (the job): puts left-over rows into retry shards.
 * - `clean` (a shard): removes the local files that nobody needs any more.
 * - `sweep` (a resource): deletes input files of closed attempts, cancels duplicate batches.
 * - `survey` (a resource): counts the input files of others.
 * - `finish` (the job): checks the accounts and ends the job.
 */
export type TaskKind =
  | 'grant'
  | 'upload'
  | 'submit'
  | 'poll'
  | 'collect'
  | 'split'
  | 'retry'
  | 'clean'
  | 'sweep'
  | 'survey'
  | 'finish';

/** A line of the job's log. `detail` holds ids, codes and numbers only. */
export interface EventRow {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

/** Where the job as a whole stands. */
export type JobState = 'preparing' | 'running' | 'paused' | 'cancelling' | 'cancelled' | 'finished';

/** Limits of one shard, whichever is met first. */
export interface ShardLimits {
  readonly maxRequests: number;
  readonly maxBytes: number;
  /** Input tokens, before the service's factor. */
  readonly maxTokens: number;
  /**
   * Input tokens that one request may have. A request above `maxTokens` but not above this makes a
   * shard of its own. Default: `maxTokens`.
   */
  readonly maxRequestTokens?: number;
  /** A shard of the first partition ends at this request, so that those before it can go first. */
  readonly sampleRequests?: number;
}

/** What must stay the same for sealed shards to stay valid. Never a secret. */
export interface JobSpec {
  readonly sources: readonly SourceSpec[];
  readonly request: RequestSpec | null;
  readonly limits: ShardLimits;
}

export interface SourceSpec {
  /** Absolute path, or null for standard input and iterables. */
  readonly path: string | null;
  readonly label: string;
  readonly bytes: number | null;
  /** ms since the epoch. */
  readonly mtime: number | null;
  /** A table's columns, known before it is read; null for other formats. */
  readonly columns: readonly string[] | null;
  /** How it is read: format, delimiter, encoding, compression and the like, by name. */
  readonly options: Readonly<Record<string, string | number | boolean | null>>;
}

export interface RequestSpec {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly baseModel: string;
  /** How ids are made: null for `<job>-<ordinal>`, else the column. */
  readonly idField: string | null;
  /** The template as data, or the module's URL, or a function's `version`. */
  readonly template: unknown;
  /** The JSON Schema that every answer must follow; absent when none was asked for. */
  readonly outputSchema?: Readonly<Record<string, unknown>>;
  /** The user's own model table; absent for the shipped one. It may be replaced at any time. */
  readonly models?: unknown;
}
