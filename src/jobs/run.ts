import type { Writable } from 'node:stream';
import { MillraceError } from '../core/errors.ts';
import type { JobSpec } from '../core/job.ts';
import type { Target } from '../core/service.ts';
import type { Sink } from '../core/sink.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import { standardOf } from '../requests/standard-schema.ts';
import type { SourceOptions } from '../sources/describe.ts';
import { jobRow } from './context.ts';
import { type Job, openJob } from './job.ts';
import { type OutputOptions, writeOutput } from './output.ts';
import { refuseOutputOverSource } from './place.ts';
import { type PrepareOptions, sealPreparation, settlePreparation } from './prepare.ts';
import { rememberedRequest } from './request.ts';
import { wantSample } from './sample.ts';
import { type JobStatus, readStatus } from './status.ts';
import { type SubmitOptions, submitShards, targetList } from './submission.ts';
import { limitsOfTargets } from './target-limits.ts';

/** How a job that knows what it is made of is run. */
export interface ResumeOptions
  extends Omit<SubmitOptions, 'goal'>,
    Omit<OutputOptions, 'signal' | 'keep'> {
  /** Where the requests go: a target or several. */
  service: Target | readonly Target[];
  /** Where the rows go: a file by its name, a Writable in object mode, or a sink. Default: nowhere. */
  sink?: string | Writable | Sink | undefined;
  /**
   * Send so many of the first records before all others, and pause once they are answered; the
   * status then tells what they came to and what all will. Resumed, the job goes on with the rest.
   * With `sampleGoesOn` it does so at once. For a job that is new.
   */
  sample?: number | undefined;
  /**
   * Called with the job's status as it changes, at most about four times a second. What it throws
   * ends the run at the next safe point.
   */
  onProgress?: ((status: JobStatus) => void) | undefined;
}

/** A whole job: what it is made of, where its requests go, and where its rows go. */
export interface RunOptions<T> extends ResumeOptions, Omit<PrepareOptions<T>, 'signal' | 'count'> {
  /** An open job, or the directory of one, which is made if there is none. */
  job: Job | string;
}

const PROGRESS_MS = 250;

/**
 * The whole job: prepares, submits, waits, collects, joins, and writes the rows. Preparing and
 * submitting overlap. Called again on the same job it goes on where it was; on a finished one it
 * only writes the rows. Resolves to the final status; failed rows are rows, not an exception.
 */
export async function runBatchJob<T = unknown>(options: RunOptions<T>): Promise<JobStatus> {
  const { job: given } = options;
  const job = typeof given === 'string' ? await openJob(given) : given;
  try {
    return await carryOut(job, options, options);
  } finally {
    if (typeof given === 'string') await job.close();
  }
}

/**
 * Goes on with a job from what it remembers. Throws `preparation_incomplete` when its source or its
 * request has to be given again.
 */
export async function resumeBatchJob(job: Job, options: ResumeOptions): Promise<JobStatus> {
  const { state, spec } = await job.store.read(jobRow);
  const prepared = await job.store.read(async (tx) =>
    (await tx.partitions()).every((partition) => partition.state === 'prepared'),
  );
  const complete = prepared && spec.sources.length > 0 && state !== 'preparing';
  return carryOut(job, options, complete ? null : rememberedPreparation(spec));
}

async function carryOut<T>(
  job: Job,
  options: ResumeOptions,
  preparation: PrepareOptions<T> | null,
): Promise<JobStatus> {
  const { onProgress, sink } = options;
  const source = preparation?.source;
  if (typeof sink === 'string' && (typeof source === 'string' || Array.isArray(source))) {
    refuseOutputOverSource(
      sink,
      [source].flat().filter((path) => typeof path === 'string'),
    );
  }
  const failed = new AbortController();
  const end = (error: unknown) => failed.abort(error);
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const ended = { ...options, signal };
  const stop = onProgress === undefined ? () => undefined : reportProgress(job, onProgress, end);
  try {
    await work(job, ended, preparation, end);
    if (sink !== undefined) await writeOutput(job, sink, ended);
    const status = await job.store.read(readStatus);
    onProgress?.(status);
    return status;
  } finally {
    stop();
  }
}

/** Preparing and submitting side by side; the failure of one aborts the signal, and so the other. */
async function work<T>(
  job: Job,
  options: ResumeOptions & { signal: AbortSignal },
  preparation: PrepareOptions<T> | null,
  end: (error: unknown) => void,
): Promise<void> {
  const targets = targetList(options.service);
  const { sample, signal } = options;
  const settled =
    preparation === null ? null : await settle(job, targets, preparation, sample, signal);
  if (settled === null && sample !== undefined) {
    await job.store.transaction((tx) => wantSample(tx, sample));
  }
  const { state } = await job.store.read(jobRow);
  const tasks: Promise<unknown>[] = [];
  if (settled !== null) tasks.push(sealPreparation(job, settled).catch(end));
  if (state !== 'finished') {
    const schema = options.schema ?? schemaOf(preparation);
    const settings = { ...options, ...(schema === null ? {} : { schema }) };
    const submission = submitShards(job, targets, { ...settings, goal: 'finished' });
    tasks.push(submission.done.catch(end));
  }
  await Promise.allSettled(tasks);
  signal.throwIfAborted();
}

/** The job's spec is settled before anything is granted: prices and limits are told from it. */
function settle<T>(
  job: Job,
  targets: readonly Target[],
  preparation: PrepareOptions<T>,
  sample: number | undefined,
  signal: AbortSignal,
) {
  const given = {
    ...preparation.limits,
    ...(sample === undefined ? {} : { sampleRequests: sample }),
  };
  const defaultLimits = limitsOfTargets(targets, given);
  return settlePreparation(job, { defaultLimits, ...preparation, limits: given, signal }, sample);
}

/** The schema object of the request's options, when the caller gave one. */
function schemaOf<T>(preparation: PrepareOptions<T> | null): StandardSchema | null {
  const request = preparation?.request;
  return request === undefined || !('schema' in request) ? null : standardOf(request.schema);
}

/** Reports at a steady pace while something changes; `end` takes what the callback throws. */
function reportProgress(
  job: Job,
  onProgress: (status: JobStatus) => void,
  end: (error: unknown) => void,
): () => void {
  let reading = false;
  let changed = true;
  const stop = job.onChange(() => {
    changed = true;
  });
  const timer = setInterval(async () => {
    if (reading || !changed) return;
    reading = true;
    changed = false;
    try {
      onProgress(await job.store.read(readStatus));
    } catch (error) {
      end(error);
    } finally {
      reading = false;
    }
  }, PROGRESS_MS);
  timer.unref();
  return () => {
    stop();
    clearInterval(timer);
  };
}

/** What a job remembers of how it was begun: enough to go on, unless it was made by functions. */
function rememberedPreparation(spec: JobSpec): PrepareOptions<unknown> {
  const request = rememberedRequest(spec.request);
  if (request === null || spec.sources.some(({ path }) => path === null)) {
    throw new MillraceError(
      'preparation_incomplete',
      'this job is not prepared to its end, and was begun from standard input, records or functions, ' +
        'which it cannot remember: give the same command or call again, with the same input',
    );
  }
  return {
    source: spec.sources.map(({ path }) => path ?? '-'),
    sourceOptions: rememberedOptions(spec),
    request,
    baseModel: spec.request?.baseModel,
    // Of a job that was not even cut into partitions when it was stopped, too.
    defaultLimits: spec.limits,
  };
}

/** Every source of a job is read with the same options. */
function rememberedOptions(spec: JobSpec): SourceOptions {
  const [first] = spec.sources;
  if (first === undefined) return {};
  const { format, delimiter, encoding, jsonPath, maxRecordBytes, header } = first.options;
  return {
    format: format as NonNullable<SourceOptions['format']>,
    ...(typeof delimiter === 'string' ? { delimiter } : {}),
    ...(typeof encoding === 'string' ? { encoding } : {}),
    ...(typeof jsonPath === 'string' ? { jsonPath } : {}),
    ...(typeof maxRecordBytes === 'number' ? { maxRecordBytes } : {}),
    ...(header === false && first.columns !== null ? { header: first.columns } : {}),
  };
}
