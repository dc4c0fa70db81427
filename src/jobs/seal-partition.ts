import type { Partition, PartitionProgress, SealedShard, ShardLimits } from '../core/job.ts';
import type { JobHead } from '../shards/serialise.ts';
import { type SealItem, SealingWriter } from '../shards/writer.ts';
import type { ModelTable } from '../tokens/models.ts';

/** What the shards of a job have in common. Plain data. */
export interface SealSettings {
  /** The job's directory, or null to learn what would be sealed without writing it. */
  readonly directory: string | null;
  readonly jobName: string;
  readonly limits: ShardLimits;
  readonly strict?: boolean | undefined;
  /** Whether tokens are counted; default true. */
  readonly count?: boolean | undefined;
  /** Facts about models; the shipped ones by default. */
  readonly models?: ModelTable | undefined;
}

/** Told after the files of a shard are durable; sealing goes on once it resolves. */
export type OnSeal = (
  shard: SealedShard | null,
  progress: PartitionProgress,
  head: JobHead | undefined,
) => Promise<void>;

/** A counted item, and where the record after it starts, or null. */
export interface CountedEntry {
  readonly item: SealItem;
  readonly nextByte: number | null;
}

/**
 * Counted items, a block at a time, each made when it is taken. All of a block are to be taken before
 * the next one is asked for, and are valid until then.
 */
export type CountedBlocks = AsyncIterable<Iterable<CountedEntry>>;

/** Seals a partition's items into shards, from wherever it stands. Knows no store. */
export async function sealPartition(
  settings: SealSettings,
  partition: Partition,
  blocks: CountedBlocks,
  {
    head,
    onSeal,
    fromStart,
    compared,
    signal,
  }: {
    head: JobHead | undefined;
    onSeal: OnSeal;
    /** The items begin at the partition's first record, though some of it is sealed. */
    fromStart: boolean;
    /** See SealingOptions. */
    compared?: boolean | undefined;
    signal: AbortSignal | undefined;
  },
): Promise<PartitionProgress> {
  const writer = new SealingWriter({
    ...settings,
    partition: partition.name,
    firstOrdinal: partition.firstOrdinal ?? 0,
    progress: partition.progress,
    head,
    verify: fromStart,
    complete: partition.state === 'prepared',
    compared,
    onSeal: (shard, progress) => onSeal(shard, progress, writer.head),
  });
  try {
    for await (const block of blocks) {
      signal?.throwIfAborted();
      for (const { item, nextByte } of block) {
        const written = writer.add(item, nextByte);
        if (written !== undefined) await written;
      }
    }
    return await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
