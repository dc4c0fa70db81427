import { rm } from 'node:fs/promises';
import { MillraceError } from '../core/errors.ts';
import type { JobSpec, RequestSpec, SourceSpec } from '../core/job.ts';
import type { Transaction } from '../core/store.ts';
import { jobRow } from './context.ts';
import type { Job } from './job.ts';
import { wantSample } from './sample.ts';

/**
 * Records what the job is made of, or checks it against what was recorded. Throws `spec_changed`,
 * saying what differs: shards that are sealed were made from the old one. A job without a shard,
 * such as one whose every record was rejected, begins anew from what it is given now. `sample`:
 * records that are to go first, if any.
 */
export async function settleSpec(
  { store, directory }: Pick<Job, 'store' | 'directory'>,
  wanted: JobSpec,
  sample?: number,
): Promise<void> {
  const settled = await store.transaction(async (tx) => {
    const outcome = await settle(tx, wanted);
    // Both or none: a job that died in between would be sent whole.
    if (sample !== undefined) await wantSample(tx, sample);
    return outcome;
  });
  // It tells of records as they were, and is gathered again only where there is none.
  if (settled === 'anew') await rm(directory.rejected, { force: true });
}

async function settle(tx: Transaction, wanted: JobSpec): Promise<'begun' | 'same' | 'anew'> {
  const job = await jobRow(tx);
  const begun = (await tx.partitions()).length > 0;
  if (!begun) {
    await tx.updateJob(job.version, { spec: wanted });
    return 'begun';
  }
  const differences = specDifferences(job.spec, wanted);
  if (differences.length === 0) {
    const { request } = job.spec;
    const models = wanted.request?.models;
    if (request === null || models === undefined) return 'same';
    await tx.updateJob(job.version, { spec: { ...job.spec, request: { ...request, models } } });
    return 'same';
  }
  if ((await tx.totals()).shards === 0) {
    await tx.dropPartitions();
    await tx.updateJob(job.version, { ...BEGINNING, spec: wanted });
    return 'anew';
  }
  throw new MillraceError(
    'spec_changed',
    `this job was prepared from something else: ${differences.join('; ')}. ` +
      'Give what it was begun with, or another --job directory',
  );
}

/** How a job is before anything is prepared. */
const BEGINNING = {
  state: 'preparing',
  planned: false,
  cancelRequested: false,
  sample: null,
  pause: null,
} as const;

/** What differs, in words: `prompt was ..., is ...`. Never a whole text, only where it differs. */
export function specDifferences(was: JobSpec, is: JobSpec): string[] {
  return [
    ...sourceDifferences(was.sources, is.sources),
    // A pipeline whose first records were all bad does not know its request yet.
    ...(is.request === null
      ? []
      : fieldDifferences('request', flat(was.request), flat(sameAge(was.request, is.request)))),
    ...fieldDifferences('limit', { ...was.limits }, { ...is.limits }),
  ];
}

function sourceDifferences(was: readonly SourceSpec[], is: readonly SourceSpec[]): string[] {
  if (was.length !== is.length) return [`${was.length} sources then, ${is.length} now`];
  return was.flatMap((source, index) => {
    const now = is[index];
    if (now === undefined) return [];
    return fieldDifferences(`source ${source.label}`, sourceFields(source), sourceFields(now));
  });
}

/** What must be the same of a source: not how it is called, nor how strictly it is read. */
function sourceFields({ label, options, ...file }: SourceSpec): Fields {
  const { strict: _strict, ...reading } = options;
  return { ...file, ...reading, ...(file.path === null ? { label } : {}) };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldDifferences(what: string, was: Fields, is: Fields): string[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names
    .filter((name) => JSON.stringify(was[name] ?? null) !== JSON.stringify(is[name] ?? null))
    .map((name) => `${what} ${name} was ${brief(was[name])}, is ${brief(is[name])}`);
}

/** Jobs of an earlier version do not have their schema beside their template. */
function sameAge(was: RequestSpec | null, is: RequestSpec): RequestSpec {
  const { template, outputSchema } = was ?? {};
  const isOlder = typeof template === 'object' && template !== null && 'schema' in template;
  if (outputSchema !== undefined || !isOlder) return is;
  const { outputSchema: _, ...rest } = is;
  return rest;
}

/** The request's own fields beside those of its template, so that the one that differs is named. */
function flat(request: RequestSpec | null): Fields {
  if (request === null) return {};
  const { template, models: _, ...rest } = request;
  const isFields = typeof template === 'object' && template !== null && !Array.isArray(template);
  return isFields ? { ...rest, ...template } : { ...rest, template };
}

const BRIEF_CHARACTERS = 60;

function brief(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length <= BRIEF_CHARACTERS ? text : `${text.slice(0, BRIEF_CHARACTERS)}...`;
}
