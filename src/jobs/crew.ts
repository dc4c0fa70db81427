import { availableParallelism } from 'node:os';
import { UsageError } from '../core/errors.ts';
import type { Partition, ShardLimits } from '../core/job.ts';
import { likelyPartitions } from '../sources/partitions.ts';
import { loadModelTable } from '../tokens/models.ts';
import { modelTables } from '../tokens/tables.ts';
import { jobRow } from './context.ts';
import type { Job } from './job.ts';
import { tableOf } from './model-table.ts';
import { PartitionSealer } from './partition-sealer.ts';
import type { PrepareOptions } from './prepare.ts';
import type { OpenRequest } from './request.ts';
import type { OpenSource } from './sources.ts';
import { WorkerPool } from './workers/pool.ts';

/** At the speed of exact counts a thread of its own saves about as much as it costs below this. */
const BYTES_PER_WORKER = 64 * 1024 * 1024; // 64 MiB

/** Below this all is done before a thread would be ready; above it, uploads go on meanwhile. */
const BYTES_FOR_A_THREAD = 8 * 1024 * 1024; // 8 MiB

/** What prepares partitions. */
export interface Crew {
  /** This thread. */
  readonly here: PartitionSealer;
  /** Other threads, which only read files by their names; null when there are none. */
  readonly pool: WorkerPool | null;
  /** Threads in the pool. */
  readonly workers: number;
}

/** Starts the threads, which get ready while the sources are cut. Close the pool, whatever happened. */
export async function openCrew<T>(
  job: Job,
  sources: readonly OpenSource[],
  request: OpenRequest,
  limits: ShardLimits,
  options: PrepareOptions<T>,
): Promise<Crew> {
  const { strict, count, baseModel } = options;
  const { row, rows } = await job.store.read(async (tx) => ({
    row: await jobRow(tx),
    rows: await tx.partitions(),
  }));
  const models =
    options.models === undefined ? tableOf(row.spec.request) : loadModelTable(options.models);
  const settings = {
    directory: job.directory.path,
    jobName: job.name,
    limits,
    strict,
    count,
    models,
  };
  const work = row.planned ? openWork(rows, sources) : wholeWork(sources, options.partitionBytes);
  const workers = workersFor(work, request, options.workers);
  const descriptions = sources.map(({ description }) => description);
  const model = count === false ? undefined : (baseModel ?? request.splice?.model ?? undefined);
  const tables = workers === 0 || model === undefined ? null : modelTables(model, models, workers);
  const task = { settings, request: request.portable, baseModel, descriptions, tables };
  const pool = workers === 0 ? null : new WorkerPool(workers, task);
  pool?.start();
  return { here: new PartitionSealer(settings, sources, request, baseModel), pool, workers };
}

/** Whether another thread can read it as well: a file by its name, not this process's input. */
export function inFile({ description }: OpenSource): boolean {
  return typeof description?.path === 'string';
}

/** What threads can do of a job: its partitions, and their bytes. */
interface Work {
  readonly partitions: number;
  readonly bytes: number;
}

function openWork(rows: readonly Partition[], sources: readonly OpenSource[]): Work {
  let bytes = 0;
  let partitions = 0;
  for (const { source, state, start, end } of rows) {
    const from = sources[source];
    if (state === 'prepared' || from === undefined || !inFile(from)) continue;
    bytes += (end ?? from.description?.bytes ?? 0) - start;
    partitions++;
  }
  return { partitions, bytes };
}

/** Of sources that are not cut yet. */
function wholeWork(sources: readonly OpenSource[], size: number | undefined): Work {
  let bytes = 0;
  let partitions = 0;
  for (const source of sources) {
    const { description } = source;
    if (description === null || !inFile(source)) continue;
    bytes += description.bytes ?? 0;
    partitions += likelyPartitions(description, size);
  }
  return { partitions, bytes };
}

/**
 * Threads that have something to do; 0 when all is done in this one. Unless their number was given,
 * one more is worth its memory and its start only for so many bytes more.
 */
function workersFor(
  { partitions, bytes }: Work,
  { portable }: OpenRequest,
  given: number | undefined,
): number {
  if (given !== undefined && (!Number.isSafeInteger(given) || given < 1)) {
    throw new UsageError('the number of workers must be a positive whole number');
  }
  if (portable === null) return 0;
  const worth = Math.min(availableParallelism(), Math.floor(bytes / BYTES_PER_WORKER));
  const workers = Math.max(1, Math.min(given ?? worth, partitions));
  return workers === 1 && bytes < BYTES_FOR_A_THREAD ? 0 : workers;
}
