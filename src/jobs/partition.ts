import { statfs } from 'node:fs/promises';
import { MillraceError } from '../core/errors.ts';
import type { Partition, PartitionProgress, RequestSpec } from '../core/job.ts';
import type { JobHead } from '../shards/serialise.ts';
import { jobRow } from './context.ts';
import type { Job } from './job.ts';
import { shardOrder } from './retry-names.ts';
import type { OnSeal } from './seal-partition.ts';

/** Sealing waits this long before it looks for free space again. */
const DISK_WAIT_MS = 1000; // 1 s

/** Kept free beside what the next shard needs. */
const DISK_MARGIN_BYTES = 64 * 1024 * 1024; // 64 MiB

export interface PreparePartitionOptions {
  /** What the job is to remember of its requests once the first of them tells the rest. */
  readonly request: Omit<RequestSpec, 'endpoint' | 'model' | 'baseModel'> & {
    readonly baseModel: string | null;
  };
  readonly signal?: AbortSignal | undefined;
}

/**
 * Seals the partition, in this thread or another one, and tells each seal before it goes on. `head`
 * is the endpoint and model of every line, where the job knows them already.
 */
export type Seal = (
  partition: Partition,
  head: JobHead | undefined,
  onSeal: OnSeal,
) => Promise<PartitionProgress>;

/**
 * Brings one partition to its end, from wherever it stands; one that is prepared is only compared. Each
 * seal is one transaction: the shard's row, how far the partition is, and the wish to submit it.
 */
export async function preparePartition(
  job: Job,
  partition: Partition,
  seal: Seal,
  options: PreparePartitionOptions,
): Promise<Partition> {
  const { signal } = options;
  const compared = partition.state === 'prepared';
  let row = compared
    ? partition
    : await job.store.transaction((tx) =>
        tx.updatePartition(partition.name, partition.version, { state: 'preparing' }),
      );
  const { request } = (await job.store.read(jobRow)).spec;
  const index = Number(partition.name.slice(1));
  await waitForDisk(job, 0, signal);
  const progress = await seal(partition, request ?? undefined, async (shard, sealed, head) => {
    row = await job.store.transaction(async (tx) => {
      const { spec, version } = await jobRow(tx);
      if (spec.request === null && head !== undefined) {
        const { endpoint, model } = head;
        const baseModel = options.request.baseModel ?? model;
        const found = { ...options.request, endpoint, model, baseModel };
        await tx.updateJob(version, { spec: { ...spec, request: found } });
      }
      if (shard !== null) await tx.insertShard(shard, shardOrder(index, sealed.shards));
      for (const { name } of await tx.targets()) await tx.putTask('grant', name, job.clock.now());
      return tx.updatePartition(row.name, row.version, { progress: sealed });
    });
    job.notify();
    await waitForDisk(job, shard?.bytes ?? 0, signal);
  });
  if (row.records !== null && row.records !== progress.records) {
    throw new MillraceError(
      'source_changed',
      `${row.name} had ${row.records} records when it was planned, now ${progress.records}: ` +
        'a source was changed while it was read; prepare a new job directory',
    );
  }
  return job.store.transaction((tx) =>
    tx.updatePartition(row.name, row.version, {
      state: 'prepared',
      records: progress.records,
      progress,
    }),
  );
}

/**
 * Waits for room for a shard like the last one while a submitter is alive and has a shard whose files
 * will go; where nothing frees any, it fails before the disk is full.
 */
async function waitForDisk(job: Job, shardBytes: number, signal?: AbortSignal): Promise<void> {
  const needed = 2 * shardBytes + DISK_MARGIN_BYTES;
  for (;;) {
    const { bavail, bsize } = await statfs(job.directory.path);
    if (bavail * bsize >= needed) return;
    const { cleaned: _, ...open } = await job.store.read((tx) => tx.countShards());
    if (job.active.submitting === 0 || Object.keys(open).length === 0) {
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
