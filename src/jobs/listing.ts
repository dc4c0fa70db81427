import type { BatchObject } from '../core/batch.ts';
import type { Hold, Shard } from '../core/job.ts';
import type { Context } from './context.ts';

/** Clocks of two machines differ by less than this. */
export const CLOCK_SKEW_MS = 10 * 60 * 1000; // 10 min

/** So many older batches in a row, in a list that never once rose, show that no newer one follows. */
const OLDER_IN_A_ROW = 100; // a page

/** Names a job among all that share a resource. */
export function jobKey({ name, uid }: Context['job']): string {
  return `${name}.${uid}`;
}

/** What identifies a batch as ours, whatever the answer to its create was. */
export function batchMetadata(context: Context, shard: Shard): Record<string, string> {
  return {
    millrace_job: jobKey(context.job),
    millrace_shard: shard.name,
    millrace_attempt: String(shard.attempt),
    millrace_hash: shard.sha256.slice(0, 32),
  };
}

/** Whether the batch was made for this attempt: by input file first, by metadata second. */
export function isBatchOf(context: Context, shard: Shard, batch: BatchObject): boolean {
  if (batch.inputFileId !== null && nameIn(batch.inputFileId) === nameIn(shard.fileId)) return true;
  const wanted = batchMetadata(context, shard);
  return Object.entries(wanted).every(([key, value]) => batch.metadata[key] === value);
}

/** Tells the shard and attempt that a batch of this job was made for, or null for any other batch. */
export type Owners = (batch: BatchObject) => Owner | null;

/**
 * Owners by metadata, and by input file where a service does not repeat the metadata. `holds` are all
 * of the job's, as they were when the list was asked for.
 */
export function ownersBy(context: Pick<Context, 'job'>, holds: readonly Hold[]): Owners {
  const job = jobKey(context.job);
  const inputs = new Map<string, Owner>();
  for (const { shard, attempt, fileId } of holds) {
    if (fileId !== null) inputs.set(fileId, { job, shard, attempt });
  }
  return (batch) => {
    const owner = ownerOfBatch(batch) ?? inputs.get(batch.inputFileId ?? '') ?? null;
    return owner?.job === job ? owner : null;
  };
}

/** Begins every file name of a job at the service: what a sweep may delete. */
export function fileNamePrefix(context: Pick<Context, 'job'>): string {
  return `millrace.${jobKey(context.job)}.`;
}

/** The name of an attempt's file at the service: unique to job, shard, attempt, target, content. */
export function fileNameOf(context: Pick<Context, 'job'>, shard: Shard, target: string): string {
  const hash = shard.sha256.slice(0, 12);
  return `${fileNamePrefix(context)}${shard.name}.${shard.attempt}.${target}.${hash}.jsonl`;
}

/** Of which job's attempt a file or a batch at the service is. */
export interface Owner {
  /** `<name>.<uid>`: the uid tells jobs of the same name apart. */
  readonly job: string;
  readonly shard: string;
  readonly attempt: number;
}

/** A name that `fileNameOf` gave: job, shard, attempt, target, hash. */
const OUR_FILE =
  /^millrace\.(?<job>[a-z0-9][a-z0-9._-]{0,63}\.[0-9a-f]{8})\.(?<shard>p\d+-\d+|r\d+)\.(?<attempt>\d+)\..+\.[0-9a-f]{12}\.jsonl$/;

/** The job and attempt that a file's name tells, or null for a file that no millrace made. */
export function ownerOfFile(name: string): Owner | null {
  const { job, shard, attempt } = OUR_FILE.exec(name)?.groups ?? {};
  if (job === undefined || shard === undefined) return null;
  return { job, shard, attempt: Number(attempt) };
}

/**
 * The job and attempt that a batch's metadata names, or its input where that is a blob: batches of
 * blobs have no metadata, and a blob's URL ends in the file's name. Null for one that no millrace made.
 */
export function ownerOfBatch({ metadata, inputFileId }: BatchObject): Owner | null {
  const { millrace_job: job, millrace_shard: shard, millrace_attempt: attempt } = metadata;
  if (job === undefined || shard === undefined) return ownerOfFile(nameIn(inputFileId) ?? '');
  return { job, shard, attempt: Number(attempt) };
}

/**
 * What tells one input from another: a file's id, or the name at the end of a blob's URL, of which the
 * service may write the rest otherwise than we did.
 */
function nameIn(input: string | null): string | undefined {
  return input?.slice(input.lastIndexOf('/') + 1);
}

/**
 * The batches of a list, at least those from `since` on. The order of a list is documented for some
 * services only, and clocks differ, so that a list is read to its end unless it has been newest
 * first without an exception and a whole page of it was too old: a batch that is overlooked is a
 * batch made twice.
 */
export async function* batchesSince(
  list: AsyncIterable<BatchObject>,
  since: number,
): AsyncGenerator<BatchObject, void, undefined> {
  let previous = Number.POSITIVE_INFINITY;
  let newestFirst = true;
  let older = 0;
  for await (const batch of list) {
    yield batch;
    const { createdAt } = batch;
    if (createdAt === null) continue;
    newestFirst &&= createdAt <= previous;
    previous = createdAt;
    older = createdAt < since ? older + 1 : 0;
    if (newestFirst && older >= OLDER_IN_A_ROW) return;
  }
}
