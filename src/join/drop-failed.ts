import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../core/errors.ts';
import { syncDirectory } from '../streams/files.ts';
import { linesIfThere, linesOf } from './line-blocks.ts';
import { joinPaths } from './paths.ts';
import { RowFile } from './row-file.ts';
import { RowIndex } from './row-index.ts';

const STATUS_KEY = Buffer.from(',"status":"');
const FAILED = Buffer.from(',"status":"failed",');

/** What became of one shard's rows. */
export interface DroppedRows {
  /** Rows that stay final. */
  readonly kept: number;
  /** Failed rows that are left over again. */
  readonly dropped: number;
}

/**
 * Reopens the failed rows of a joined shard: takes them out of `results/NAME.ndjson` and makes
 * `shards/NAME.failed.*` the shard's left-over material. Each step can be done again, so that a call
 * that was cut short is finished by the same call; called once more it finds nothing to change. What
 * the shard had left over before must have been taken into a retry shard: it is replaced.
 */
export async function dropFailed(directory: string, name: string): Promise<DroppedRows> {
  const paths = joinPaths(directory, name);
  // What the join left in the downloads is ok.
  const deferred = (await RowIndex.readHead(paths.index))?.deferred ?? 0;
  const kept = deferred + (await keepFinal(paths.results));
  await moveIfThere(paths.failedRecords, paths.leftoverRecords);
  await moveIfThere(paths.failedRequests, paths.leftoverRequests);
  return { kept, dropped: await countLines(paths.leftoverRecords) };
}

async function keepFinal(path: string): Promise<number> {
  const file = new RowFile(path);
  let kept = 0;
  let dropped = 0;
  try {
    for await (const block of linesIfThere(path)) {
      for (const line of linesOf(block)) {
        if (isFailed(line)) {
          dropped++;
          continue;
        }
        kept++;
        file.block.bytes(line);
        file.block.text('\n');
        await file.drain();
      }
    }
    if (dropped > 0) await file.commit();
  } finally {
    await file.discard();
  }
  return kept;
}

/**
 * By the line's fixed start: before the status stand the ordinal and the custom_id, and a quote in a
 * custom_id is escaped, so the first bare `,"status":"` is the row's own.
 */
function isFailed(line: Buffer): boolean {
  const at = line.indexOf(STATUS_KEY);
  return FAILED.compare(line, at, at + FAILED.length) === 0;
}

async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await syncDirectory(dirname(to));
}

async function countLines(path: string): Promise<number> {
  let count = 0;
  for await (const block of linesIfThere(path)) {
    count += linesOf(block).length;
  }
  return count;
}
