import pLimit from 'p-limit';
import type { Usage } from '../core/job.ts';
import type { RowError } from '../core/record.ts';
import type { AnswerKernel } from './answer-kernel.ts';
import { type AnswerFiles, AnswerReader } from './answer-reader.ts';
import { AnswerIndex } from './answers.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { commitFiles } from './row-file.ts';
import { knownIds } from './shard-ids.ts';
import { type FinishedJoin, ShardJoin } from './shard-join.ts';
import { checkRecordsEnd } from './shard-rows.ts';
import type { OutputReader } from './structured-output.ts';
import { forRows } from './wanted-rows.ts';

/** One shard and the batch that ended for it. */
export interface JoinOptions {
  /** The job's directory. */
  readonly directory: string;
  /** The shard's name. */
  readonly name: string;
  /** The batch's id at the service, written into the rows' attempts. */
  readonly batch: string;
  /** Both files null when the batch left none, as when it failed in validation. */
  readonly answers: AnswerFiles;
  /** A row whose attempts, this one included, reach it is final. Counts from 1. */
  readonly maxAttempts: number;
  /** When the outcome is read, ISO 8601. A redo with the same time writes the same bytes. */
  readonly at: string;
  /**
   * What validation said about single lines, by their number in the request file, from 1. Such a
   * row is final and failed, unless it has an ok answer.
   */
  readonly lineErrors?: ReadonlyMap<number, RowError>;
  /**
   * Whether rows without an answer, or answered `batch_cancelled`, are charged this attempt; default
   * true. With false they are left over with the attempts that they had.
   */
  readonly chargeAttempt?: boolean;
  /** Reads the outputs of ok answers, which then stand in the rows; null or absent leaves them be. */
  readonly readOutput?: OutputReader | null;
  /** Whether an answer without a usable output may be tried again; default false. */
  readonly retryMismatch?: boolean;
  /**
   * Decides whether a failure may be tried again, before the number of attempts is looked at;
   * undefined keeps the table's word. `status` is the response's, null without one; `missing` is the
   * code of a row without an answer. Example: `() => false` when the job was cancelled.
   */
  readonly retryOverride?: (code: string, status: number | null) => boolean | undefined;
  /** What the custom_ids are, when they follow from the ordinals; saves reading the requests. */
  readonly ordinals?: OrdinalRange | undefined;
  /**
   * From how many bytes of records and answers on the ok rows are left where they are, which must
   * then stay beside `results/NAME.index` until the rows are read for the last time. Default: all
   * final rows are written out, whatever their size; so are those whose output is read.
   */
  readonly deferFrom?: number;
}

/** The account of one join: rows = ok + failed + leftover. */
export interface JoinSummary {
  readonly rows: number;
  readonly ok: number;
  /** Final failures. */
  readonly failed: number;
  /** Rows for a further attempt. */
  readonly leftover: number;
  readonly usage: Usage;
  readonly anomalies: {
    /** Answered ids that the shard does not have. */
    readonly unknown: number;
    readonly duplicate: number;
    readonly malformed: number;
    /** Rows in neither file. */
    readonly missing: number;
  };
  /** Final failures by code. */
  readonly failedCodes: Readonly<Record<string, number>>;
}

/**
 * Joins the answers of one batch to the records of its shard, by custom_id, in the shard's order and
 * in constant memory. Writes `results/NAME.ndjson` with the final rows, `shards/NAME.leftover.*` with
 * the rows to try again, and `shards/NAME.failed.*` with the material of the final failures; with
 * `deferFrom`, `results/NAME.index` for the ok rows. A file without rows is not written, and an older one
 * is removed. The same inputs give the same files, however often; what it reads is left as it is.
 */
export async function joinShard(options: JoinOptions): Promise<JoinSummary> {
  const { files, summary } = await oneAtATime(() => joinRows(options));
  await commitFiles(files);
  return summary;
}

/**
 * Joins that run side by side share one core and take memory each; only waiting for the disk until the
 * files are durable goes beside the next one.
 */
const oneAtATime = pLimit(1);

/** All but making the files durable and visible. */
async function joinRows(options: JoinOptions): Promise<FinishedJoin> {
  const { directory, name, ordinals } = options;
  const reader = await AnswerReader.open(options.answers);
  let kernel: AnswerKernel | null = null;
  try {
    const known = await knownIds(directory, name, ordinals);
    kernel = known.kernel;
    const index = await AnswerIndex.read(reader, kernel);
    const { ids } = known;
    const recordBytes = await checkRecordsEnd(directory, name, ids.rows);
    const join = new ShardJoin(options, index, ids, recordBytes);
    try {
      await forRows(directory, name, ordinals ?? ids, join.toWrite(), (row, place) =>
        join.add(row, place),
      );
      return await join.finish();
    } catch (error) {
      await join.discard();
      throw error;
    }
  } finally {
    kernel?.end();
    await reader.close();
  }
}
