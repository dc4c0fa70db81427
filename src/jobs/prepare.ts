import type { Partition, ShardLimits } from '../core/job.ts';
import { checkFields } from '../requests/check-fields.ts';
import { type LimitOptions, resolveLimits } from '../shards/limits.ts';
import { emptyProgress } from '../shards/progress.ts';
import type { SourceOptions } from '../sources/describe.ts';
import { cutPartitions } from '../sources/partitions.ts';
import { loadModelTable } from '../tokens/models.ts';
import { jobRow } from './context.ts';
import { openCrew } from './crew.ts';
import type { Job } from './job.ts';
import { preparePartitions } from './prepare-partitions.ts';
import { type JobRequest, type OpenRequest, openRequest } from './request.ts';
import { type JobSource, type OpenSource, openSources } from './sources.ts';
import { settleSpec } from './spec.ts';
import { endPreparation, type Plan } from './write-shards.ts';

/** What a job is made of, and how it is prepared. */
export interface PrepareOptions<T> {
  /**
   * Paths, a stream, or any iterable of records. Files must be the same as before, by size
   * and time. Records of an iterable are compared with what was sealed before and skipped; once all
   * are sealed, it is not read any more: a job is for one set of records.
   */
  source: JobSource<T>;
  /** How the source is read: its format, delimiter, encoding and the like. Default: told by its name. */
  sourceOptions?: SourceOptions | undefined;
  /** Of each record: a definition, the options of `buildRequests`, or the URL of a module. */
  request: JobRequest<T>;
  /** Whose encoding and prices count, such as `gpt-4o`. Default: the request's model. */
  baseModel?: string | undefined;
  /** A file of facts about models (rules of counting, prices) in place of those that are shipped. */
  models?: string | undefined;
  /** Default: what the job has, else what the service takes. */
  limits?: LimitOptions | undefined;
  /** For a job that is new, where `limits` says nothing. */
  defaultLimits?: LimitOptions | undefined;
  /** Throw at the first bad record instead of keeping it as a row. */
  strict?: boolean | undefined;
  /** Stands for the request's functions: a changed one gets a new version. */
  version?: string | undefined;
  /**
   * Threads that partitions of files are prepared in; the shards are the same whatever it is.
   * Default: as many as there are cores, as long as each has 64 MiB to prepare. A small source and
   * a request made by functions stay in this thread.
   */
  workers?: number | undefined;
  /** Of a new job: bytes of a partition. Default: a sixteenth of its file, 32 MiB to 1 GiB. */
  partitionBytes?: number | undefined;
  /** Default true. Without, every request has 0 tokens: for a service that has no token quota. */
  count?: boolean | undefined;
  /** Ends the preparation at the next safe point; called again, it goes on. */
  signal?: AbortSignal | undefined;
}

/** What is to be prepared, once the job has agreed to it. */
export interface Preparation<T> {
  readonly request: OpenRequest;
  readonly sources: readonly OpenSource[];
  readonly limits: ShardLimits;
  readonly options: PrepareOptions<T>;
}

/**
 * Seals a job's shards from its sources. Nothing is sent. A job that was begun goes on where it was;
 * `spec_changed` when anything differs that sealed shards were made from.
 */
export function prepareJob<T>(job: Job, options: PrepareOptions<T>): Promise<Plan> {
  return whilePreparing(job, async () => seal(job, await settlePreparation(job, options)));
}

/**
 * The first half of `prepareJob`: opens the sources and the request, and records or checks what the
 * job is made of. Who sends meanwhile goes by what is recorded, so it comes before the first grant.
 */
export async function settlePreparation<T>(
  job: Job,
  options: PrepareOptions<T>,
  sample?: number,
): Promise<Preparation<T>> {
  const request = await openRequest(options.request, options.version);
  const sources = await openSources(options.source, options.sourceOptions);
  checkColumns(request, sources);
  const limits = await limitsOf(job, options.limits, options.defaultLimits);
  const wanted = {
    sources: sources.map(({ spec }) => spec),
    request: requestSpec(request, options),
    limits,
  };
  await settleSpec(job, wanted, sample);
  return { request, sources, limits, options };
}

/** The second half: seals what was settled. */
export function sealPreparation<T>(job: Job, settled: Preparation<T>): Promise<Plan> {
  return whilePreparing(job, () => seal(job, settled));
}

async function seal<T>(
  job: Job,
  { request, sources, limits, options }: Preparation<T>,
): Promise<Plan> {
  const crew = await openCrew(job, sources, request, limits, options);
  try {
    await planPartitions(job, sources, options.partitionBytes, options.signal);
    await preparePartitions(job, sources, request, crew, options);
  } finally {
    await crew.pool?.close();
  }
  return endPreparation(job);
}

/** A submission waits for what is prepared meanwhile: told before anything is awaited. */
async function whilePreparing<R>(job: Job, work: () => Promise<R>): Promise<R> {
  job.active.preparing += 1;
  try {
    return await work();
  } finally {
    job.active.preparing -= 1;
    job.notify();
  }
}

/** A field that a table lacks would reject every record: told before anything is written. */
export function checkColumns({ builder }: OpenRequest, sources: readonly OpenSource[]): void {
  for (const { spec, description } of sources) {
    if (description?.format !== 'csv' || description.columns === null) continue;
    checkFields(builder.fields, description.columns, spec.label);
  }
}

function requestSpec<T>(
  { builder, spec }: OpenRequest,
  { baseModel, models }: Pick<PrepareOptions<T>, 'baseModel' | 'models'>,
) {
  const { endpoint, model } = builder;
  if (endpoint === null || model === null) return null;
  const table = models === undefined ? {} : { models: loadModelTable(models) };
  return { endpoint, model, baseModel: baseModel ?? model, ...spec, ...table };
}

/** Limits that are not given stay as they are: a job resumed under another quota keeps its shards. */
async function limitsOf(
  job: Job,
  given: LimitOptions = {},
  defaults: LimitOptions = {},
): Promise<ShardLimits> {
  const { spec, begun } = await job.store.read(async (tx) => ({
    spec: (await jobRow(tx)).spec,
    begun: (await tx.partitions()).length > 0,
  }));
  const otherwise = begun ? spec.limits : defaults;
  return resolveLimits({
    maxRequests: given.maxRequests ?? otherwise.maxRequests,
    maxBytes: given.maxBytes ?? otherwise.maxBytes,
    maxTokens: given.maxTokens ?? otherwise.maxTokens,
    sampleRequests: given.sampleRequests ?? otherwise.sampleRequests,
    maxRequestTokens:
      given.maxRequestTokens ??
      (given.maxTokens === undefined ? otherwise.maxRequestTokens : undefined),
  });
}

/** Cuts the sources once; from then on the job's partitions are fixed. */
async function planPartitions(
  job: Job,
  sources: readonly OpenSource[],
  size: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { planned } = await job.store.read(jobRow);
  if (planned) return;
  const cuts: Pick<Partition, 'source' | 'start' | 'end' | 'records'>[] = [];
  for (const [source, { description }] of sources.entries()) {
    const cut = { signal, ...(size === undefined ? {} : { size }) };
    const pieces = description === null ? null : await cutPartitions(description, cut);
    for (const { start, end, records } of pieces ?? [WHOLE])
      cuts.push({ source, start, end, records });
  }
  await job.store.transaction(async (tx) => {
    const row = await jobRow(tx);
    for (const [index, cut] of cuts.entries()) {
      await tx.insertPartition({
        ...cut,
        name: `p${String(index).padStart(4, '0')}`,
        firstOrdinal: null,
        state: 'planned',
        progress: emptyProgress(),
      });
    }
    await tx.updateJob(row.version, { planned: true });
  });
}

const WHOLE = { start: 0, end: null, records: null };
