import type { Partition, PartitionProgress, SealedShard } from '../../core/job.ts';
import type { JobHead } from '../../shards/serialise.ts';
import type { SourceDescription } from '../../sources/describe.ts';
import type { EncodingTables } from '../../tokens/tables.ts';
import type { JobRequest } from '../request.ts';
import type { SealSettings } from '../seal-partition.ts';

// What goes between the main thread and its workers: settings, places and sums; never a record.

/** What a worker is started with. Plain data. */
export interface WorkerTask {
  readonly settings: SealSettings;
  /** A definition, options without functions, or a module's URL. */
  readonly request: JobRequest<unknown> | null;
  readonly baseModel: string | undefined;
  /** By the number of the source; null where only the main thread can read. */
  readonly descriptions: readonly (SourceDescription | null)[];
  /** To count by, in memory that is shared; null where the worker finds out by itself. */
  readonly tables: EncodingTables | null;
}

/**
 * - `seal`: prepare this partition; answered by any number of `sealed`, then `done` or `failed`.
 * - `recorded`: the seal is remembered, go on.
 * - `abort`: remove what is not sealed; answered by `failed`.
 */
export type ToWorker =
  | { kind: 'seal'; partition: Partition; row: number; head: JobHead | undefined }
  | { kind: 'recorded' }
  | { kind: 'abort' };

export type FromWorker =
  | {
      kind: 'sealed';
      shard: SealedShard | null;
      progress: PartitionProgress;
      head: JobHead | undefined;
    }
  | { kind: 'done'; progress: PartitionProgress }
  | { kind: 'failed'; failure: WorkerFailure };

/** An error that crosses threads, where its class would be lost. */
export interface WorkerFailure {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  readonly retryable: boolean;
  readonly stack: string | undefined;
}
