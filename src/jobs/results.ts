import { existsSync } from 'node:fs';
import { MillraceError } from '../core/errors.ts';
import type { ResultRow } from '../core/result.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import type { Reader } from '../core/store.ts';
import type { ResultFile } from '../join/merge.ts';
import { indexOfResults } from '../join/paths.ts';
import { readRows } from '../join/result-file.ts';
import { mismatch } from '../join/structured-output.ts';
import { jobRow } from './context.ts';
import type { JobDirectory } from './directory.ts';
import type { Job } from './job.ts';
import { rejectedGone } from './rejected-rows.ts';
import type { Submission } from './submission.ts';

/** How rows are read. */
export interface JoinResultsOptions<O> {
  /**
   * Gives each row's `output` its type, and the value that the schema makes of it: a date where it
   * makes one of a text. What it refuses is a failed row here, though the job had it as ok; give the
   * schema to `submitShards` too, and the job judges by it.
   */
  schema?: StandardSchema<O>;
}

/**
 * Every final row of the job, as its shard is joined, and the rejected ones at the end; again from
 * the first one after a restart. `ordinal` is the key by which a sink of the user's stays
 * idempotent. Ends and throws as the submission does.
 */
export async function* joinResults<T = unknown, O = unknown>(
  job: Job,
  submission: Submission,
  { schema }: JoinResultsOptions<O> = {},
): AsyncGenerator<ResultRow<T, O>, void, undefined> {
  for await (const shard of submission) {
    if (shard.ok + shard.failed === 0) continue;
    for await (const row of readRows<T, O>(job.directory.results(shard.name))) {
      yield schema === undefined || row.output === undefined ? row : await typed(row, schema);
    }
  }
  const { rejected } = await job.store.read((tx) => tx.totals());
  if (rejected === 0) return;
  if (!existsSync(job.directory.rejected)) throw rejectedGone(job.directory);
  yield* readRows<T, O>(job.directory.rejected);
}

/** The row with its output as the schema makes it. */
async function typed<T, O>(
  { output, ...row }: ResultRow<T, O>,
  schema: StandardSchema<O>,
): Promise<ResultRow<T, O>> {
  const result = await schema['~standard'].validate(output);
  if (result.issues === undefined) return { ...row, output: result.value };
  return { ...row, status: 'failed', error: mismatch(result.issues) };
}

/** The files that hold the job's final rows by now, the rejected among them. */
export async function resultFiles(tx: Reader, directory: JobDirectory): Promise<ResultFile[]> {
  const files: ResultFile[] = [];
  for (const shard of await tx.shards({ joinedAfter: 0 })) {
    if (shard.ok + shard.failed === 0) continue;
    files.push({
      path: directory.results(shard.name),
      shard: shard.name,
      firstOrdinal: shard.firstOrdinal,
      lastOrdinal: shard.lastOrdinal,
      rows: shard.ok + shard.failed,
    });
  }
  const missing = files.find(({ path }) => !existsSync(path) && !existsSync(indexOfResults(path)));
  if (missing !== undefined) {
    throw new MillraceError(
      'results_gone',
      `${missing.path} is gone: results are removed once --out is complete (--keep keeps them)`,
    );
  }
  const { rejected } = await tx.totals();
  // While the job is prepared, the rejected rows are not in one file yet.
  const gathered = (await jobRow(tx)).state !== 'preparing';
  if (rejected > 0 && gathered) {
    if (!existsSync(directory.rejected)) throw rejectedGone(directory);
    files.push({
      path: directory.rejected,
      firstOrdinal: 0,
      lastOrdinal: Number.MAX_SAFE_INTEGER,
      rows: rejected,
    });
  }
  return files;
}
