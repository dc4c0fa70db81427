import { existsSync } from 'node:fs';
import { MillraceError } from '../core/errors.ts';
import type { ResultRow } from '../core/result.ts';
import type { Reader } from '../core/store.ts';
import { arrivalRuns, mergeRuns, type ResultFile, type RowRun } from '../join/merge.ts';
import { readRows } from '../join/result-file.ts';
import { jobRow } from './context.ts';
import type { JobDirectory } from './directory.ts';
import type { Job } from './job.ts';
import type { Submission } from './submission.ts';

/**
 * Every final row of the job, as its shard is joined, and the rejected ones at the end; again from
 * the first one after a restart. `ordinal` is the key by which a sink of the user's stays
 * idempotent. Ends and throws as the submission does.
 */
export async function* joinResults<T = unknown>(
  job: Job,
  submission: Submission,
): AsyncGenerator<ResultRow<T>, void, undefined> {
  for await (const shard of submission) {
    if (shard.ok + shard.failed > 0) yield* readRows<T>(job.directory.results(shard.name));
  }
  const { rejected } = await job.store.read((tx) => tx.totals());
  if (rejected === 0) return;
  if (!existsSync(job.directory.rejected)) throw rejectedGone(job.directory);
  yield* readRows<T>(job.directory.rejected);
}

/** The files that hold the job's final rows by now, the rejected among them. */
export async function resultFiles(tx: Reader, directory: JobDirectory): Promise<ResultFile[]> {
  const files: ResultFile[] = [];
  for (const shard of await tx.shards({ joinedAfter: 0 })) {
    if (shard.ok + shard.failed === 0) continue;
    files.push({
      path: directory.results(shard.name),
      firstOrdinal: shard.firstOrdinal,
      lastOrdinal: shard.lastOrdinal,
      rows: shard.ok + shard.failed,
    });
  }
  const missing = files.find(({ path }) => !existsSync(path));
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

/**
 * All final rows in the order of the sources or of arrival, in runs of lines; a run is valid until
 * the next one is asked for.
 */
export function resultRuns(
  files: readonly ResultFile[],
  order: 'source' | 'arrival',
): AsyncIterable<RowRun> {
  const reuse = { reuse: true };
  return order === 'source'
    ? mergeRuns(files, reuse)
    : arrivalRuns(
        files.map(({ path }) => path),
        reuse,
      );
}

function rejectedGone({ rejected }: JobDirectory): MillraceError {
  return new MillraceError(
    'rejected_gone',
    `${rejected} is gone, which held the rejected rows: put it back, or prepare the job anew`,
  );
}
