import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { failpoint } from '../core/failpoints.ts';
import type { RequestSpec } from '../core/job.ts';
import type { ResultRow, RowStatus } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';
import { linesOf } from '../join/line-blocks.ts';
import type { AnswerShape } from '../sinks/answer-columns.ts';
import { createSink } from '../sinks/create-sink.ts';
import { sinkOf } from '../sinks/writable.ts';
import { removeTemporaries } from '../streams/atomic-file.ts';
import { jobRow } from './context.ts';
import { copyRows, resultRuns } from './copy-rows.ts';
import type { Job } from './job.ts';
import { refuseOutputOverSource } from './place.ts';
import { resultFiles } from './results.ts';

/** How the rows are written. */
export interface OutputOptions {
  /** By ordinal, or as the shards were joined. Default `source`. */
  order?: 'source' | 'arrival' | undefined;
  /** The source's columns and the answer's beside each other. `.csv` is always flat. */
  flat?: boolean | undefined;
  /** Told in words about what could not be written. */
  onWarning?: ((message: string) => void) | undefined;
  /** Ends the writing; nothing becomes visible then. */
  signal?: AbortSignal | undefined;
  /** Keep the job's own copy of the rows, though the output is whole. */
  keep?: boolean | undefined;
}

/**
 * Writes the rows that are final by now to a file by its name, a Writable, or a sink of the user's.
 * Once the job is finished without a failed row, what its rows are made of goes, unless `keep`: a
 * failed row can still be reopened, and then all are written anew.
 */
export async function writeOutput(
  job: Job,
  out: string | Writable | Sink,
  options: OutputOptions = {},
): Promise<{ rows: number }> {
  const { row, files, failed } = await job.store.read(async (tx) => ({
    row: await jobRow(tx),
    files: await resultFiles(tx, job.directory),
    failed: (await tx.totals()).failed,
  }));
  if (typeof out === 'string') {
    refuseOutputOverSource(
      out,
      row.spec.sources.map(({ path }) => path),
    );
  }
  const columns = row.spec.sources.find((source) => source.columns !== null)?.columns;
  if (typeof out === 'string' && existsSync(out === '-' ? '' : dirname(resolve(out)))) {
    // A run that was killed while it wrote leaves as much as it had.
    await removeTemporaries(dirname(resolve(out)), basename(out));
  }
  const answers = shapeOfAnswers(row.spec.request);
  const sink = openSink(out, { ...options, columns: columns ?? undefined, answers });
  const rows = await copyRows(files, sink, options);
  failpoint('output.written');
  const whole = row.state === 'finished' && typeof out === 'string' && out !== '-';
  if (whole && failed === 0 && options.keep !== true) {
    for (const { shard } of files) {
      failpoint('output.removing');
      const made = shard === undefined ? [] : job.directory.rowFiles(shard);
      for (const path of made) await rm(path, { force: true });
    }
  }
  return { rows };
}

/** What the answers to this request have beside the usual. */
function shapeOfAnswers(request: RequestSpec | null): AnswerShape {
  const properties = request?.outputSchema?.properties;
  const isObject = typeof properties === 'object' && properties !== null;
  return {
    output: isObject ? Object.keys(properties) : [],
    dimensions: request?.endpoint === '/embeddings',
  };
}

function openSink(
  out: string | Writable | Sink,
  options: OutputOptions & { columns: readonly string[] | undefined; answers: AnswerShape },
): Sink {
  if (typeof out !== 'string') return sinkOf(out);
  return createSink(out, {
    answers: options.answers,
    ...(options.flat === undefined ? {} : { flat: options.flat }),
    ...(options.columns === undefined ? {} : { columns: options.columns }),
    ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
  });
}

/** The first row of a status, for a look at what came back; null when there is none. */
export async function sampleRow(job: Job, status: RowStatus): Promise<ResultRow | null> {
  const files = await job.store.read((tx) => resultFiles(tx, job.directory));
  for await (const run of resultRuns(files, 'arrival')) {
    for (const line of linesOf(run)) {
      const row = JSON.parse(line.toString('utf8')) as ResultRow;
      if (row.status === status) return row;
    }
  }
  return null;
}
