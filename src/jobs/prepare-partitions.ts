import { isAbort, MillraceError, UsageError } from '../core/errors.ts';
import type { Partition } from '../core/job.ts';
import { loadModelTable } from '../tokens/models.ts';
import { jobRow } from './context.ts';
import { countAhead } from './count-ahead.ts';
import { type Crew, inFile } from './crew.ts';
import type { Job } from './job.ts';
import { preparePartition, type Seal } from './partition.ts';
import type { PartitionSealer } from './partition-sealer.ts';
import type { PrepareOptions } from './prepare.ts';
import type { OpenRequest } from './request.ts';
import type { OpenSource } from './sources.ts';

/** A partition whose place among the job's records is known. */
interface Placed {
  readonly partition: Partition;
  readonly ordinal: number;
  /** Rows of its source before it. */
  readonly row: number;
}

/**
 * Prepares every partition that is not. Those whose first ordinal is known (all partitions before
 * them are counted or prepared) are prepared side by side, as many as there are workers; one at a
 * time until the endpoint and model of the job's lines are known, which the first request decides.
 */
export async function preparePartitions<T>(
  job: Job,
  sources: readonly OpenSource[],
  request: OpenRequest,
  { here, pool, workers }: Crew,
  options: PrepareOptions<T>,
): Promise<void> {
  const rows = await job.store.read((tx) => tx.partitions());
  for (const { source } of rows) {
    if (source < sources.length) continue;
    throw new UsageError(
      `the job reads ${source + 1} sources or more; only ${sources.length} were given`,
    );
  }
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const { baseModel } = options;
  const given = options.models === undefined ? {} : { models: loadModelTable(options.models) };
  const running = new Map<number, Promise<void>>();
  const failures: { index: number; error: unknown }[] = [];

  let counted = Promise.withResolvers<void>();
  const count = new AbortController();
  const tellCounted = () => {
    counted.resolve();
    counted = Promise.withResolvers();
  };
  const stop = AbortSignal.any([signal, count.signal]);
  // One at a time tells its records when it is done.
  const counting =
    workers < 2
      ? null
      : countAhead(rows, sources, tellCounted, stop).catch((error: unknown) => {
          if (stop.aborted) return;
          failures.push({ index: rows.length, error });
          failed.abort(error);
        });

  let busyHere = false;
  const prepare = async (
    { partition, ordinal, row }: Placed,
    index: number,
    sealer: Pick<PartitionSealer, 'seal'>,
  ): Promise<void> => {
    const seal: Seal = (placed, head, onSeal) => sealer.seal(placed, { row, head, onSeal, signal });
    const placed = await place(job, partition, ordinal);
    rows[index] = await preparePartition(job, placed, seal, {
      request: { ...request.spec, ...given, baseModel: baseModel ?? null },
      signal,
    });
  };

  try {
    for (;;) {
      signal.throwIfAborted();
      const known = (await job.store.read(jobRow)).spec.request !== null;
      const slots = known ? Math.max(workers, 1) : 1;
      for (const [index, placed] of ready(rows)) {
        if (running.size >= slots) break;
        if (running.has(index)) continue;
        const sealer = pool !== null && inFile(sources[placed.partition.source]!) ? pool : here;
        if (sealer === here && busyHere) continue;
        busyHere ||= sealer === here;
        const run = prepare(placed, index, sealer)
          .catch((error: unknown) => {
            failures.push({ index, error });
            failed.abort(error);
          })
          .finally(() => {
            running.delete(index);
            if (sealer === here) busyHere = false;
          });
        running.set(index, run);
      }
      if (running.size === 0) break;
      await Promise.race([...running.values(), counted.promise]);
    }
  } catch (error) {
    failures.push({ index: rows.length, error });
    failed.abort(error);
  } finally {
    await Promise.allSettled(running.values());
    count.abort();
    await counting;
  }
  throwFirst(failures, options.signal);
}

/** The partitions that can be begun now, by their place in `rows`. */
function* ready(rows: readonly Partition[]): Generator<[number, Placed]> {
  let ordinal = 0;
  let row = 0;
  let source = -1;
  for (const [index, partition] of rows.entries()) {
    if (partition.source !== source) row = 0;
    source = partition.source;
    const prepared = partition.state === 'prepared';
    if (!prepared) yield [index, { partition, ordinal, row }];
    const records = prepared ? partition.progress.records : partition.records;
    if (records === null) return;
    ordinal += records;
    row += records;
  }
}

/** Gives a partition its first ordinal: the records before it are counted or prepared by now. */
async function place(job: Job, partition: Partition, ordinal: number): Promise<Partition> {
  if (partition.firstOrdinal === ordinal) return partition;
  if (partition.firstOrdinal !== null) {
    throw new MillraceError(
      'source_changed',
      `${partition.name} began with record ${partition.firstOrdinal} when it was planned, now ` +
        `with ${ordinal}: a source was changed while it was read; prepare a new job directory`,
    );
  }
  return job.store.transaction((tx) =>
    tx.updatePartition(partition.name, partition.version, {
      firstOrdinal: ordinal,
      records: partition.records,
    }),
  );
}

/** Throws what ended the work: the user's abort, else the first failure in the sources' order. */
function throwFirst(
  failures: readonly { index: number; error: unknown }[],
  signal: AbortSignal | undefined,
): void {
  if (failures.length === 0) return;
  signal?.throwIfAborted();
  const causes = failures.filter(({ error }) => !isAbort(error));
  const [first] = (causes.length > 0 ? causes : [...failures]).sort((a, b) => a.index - b.index);
  throw first?.error;
}
