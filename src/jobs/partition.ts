import { statfs } from 'node:fs/promises';
import { MillraceError } from '../core/errors.ts';
import type {
  Partition,
  PartitionProgress,
  RequestSpec,
  SealedShard,
  ShardLimits,
} from '../core/job.ts';
import type { CountedItem } from '../core/request.ts';
import { SealingWriter } from '../shards/writer.ts';
import { jobRow } from './context.ts';
import type { Job } from './job.ts';
import { shardOrder } from './retry-names.ts';

/** Sealing waits this long before it looks for free space again. */
const DISK_WAIT_MS = 1000; // 1 s

/** Kept free beside what the next shard needs. */
const DISK_MARGIN_BYTES = 64 * 1024 * 1024; // 64 MiB

export interface PreparePartitionOptions {
  readonly limits: ShardLimits;
  /** What the job is to remember of its requests once the first of them tells the rest. */
  readonly request: Omit<RequestSpec, 'endpoint' | 'model' | 'baseModel'> & {
    readonly baseModel: string | null;
  };
  readonly strict?: boolean | undefined;
  /** The items begin at the partition's first record, though some of it is sealed. */
  readonly fromStart: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Counted items, a block at a time, each with where the record after it starts, or null. */
export type CountedBlocks = AsyncIterable<
  readonly { item: CountedItem<unknown>; nextByte: number | null }[]
>;

/**
 * Seals one partition, from wherever it stands. Each seal is one transaction: the shard's row, how
 * far the partition is, and the wish to submit it.
 */
export async function preparePartition(
  job: Job,
  partition: Partition,
  blocks: CountedBlocks,
  options: PreparePartitionOptions,
): Promise<Partition> {
  const { signal } = options;
  let row = await job.store.transaction((tx) =>
    tx.updatePartition(partition.name, partition.version, { state: 'preparing' }),
  );
  const { request } = (await job.store.read(jobRow)).spec;
  const index = Number(partition.name.slice(1));
  const writer = new SealingWriter({
    directory: job.directory.path,
    partition: partition.name,
    jobName: job.name,
    limits: options.limits,
    firstOrdinal: partition.firstOrdinal ?? 0,
    progress: partition.progress,
    head: request ?? undefined,
    strict: options.strict,
    verify: options.fromStart,
    async onSeal(shard: SealedShard | null, progress: PartitionProgress) {
      row = await job.store.transaction(async (tx) => {
        const { spec, version } = await jobRow(tx);
        if (spec.request === null && writer.head !== undefined) {
          const { endpoint, model } = writer.head;
          const request = {
            ...options.request,
            endpoint,
            model,
            baseModel: options.request.baseModel ?? model,
          };
          await tx.updateJob(version, { spec: { ...spec, request } });
        }
        if (shard !== null) await tx.insertShard(shard, shardOrder(index, progress.shards));
        for (const { name } of await tx.targets()) await tx.putTask('grant', name, job.clock.now());
        return tx.updatePartition(row.name, row.version, { progress });
      });
      job.notify();
      await waitForDisk(job, shard?.bytes ?? 0, signal);
    },
  });
  try {
    await waitForDisk(job, 0, signal);
    for await (const block of blocks) {
      signal?.throwIfAborted();
      for (const { item, nextByte } of block) {
        const written = writer.add(item, nextByte);
        if (written !== undefined) await written;
      }
    }
    const progress = await writer.finish();
    row = await job.store.transaction((tx) =>
      tx.updatePartition(row.name, row.version, {
        state: 'prepared',
        records: progress.records,
        progress,
      }),
    );
    return row;
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/**
 * Waits for room for a shard like the last one while a submitter is alive, which frees space as
 * batches end; alone it fails before the disk is full.
 */
async function waitForDisk(job: Job, shardBytes: number, signal?: AbortSignal): Promise<void> {
  const needed = 2 * shardBytes + DISK_MARGIN_BYTES;
  for (;;) {
    const { bavail, bsize } = await statfs(job.directory.path);
    if (bavail * bsize >= needed) return;
    if (job.active.submitting === 0) {
      throw new MillraceError(
        'disk_full',
        `less than ${Math.ceil(needed / 1e6)} MB are free for ${job.directory.path}: ` +
          'free some space and give the same command again; what is sealed is kept',
        { retryable: true },
      );
    }
    await job.clock.sleep(DISK_WAIT_MS, signal);
  }
}
