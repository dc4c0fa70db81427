import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { RowAttempt } from '../core/result.ts';
import { corruptShard, readCustomId, readRecordLine } from './format.ts';
import { READ_BLOCK_BYTES, readLineBlocks } from './line-blocks.ts';
import { shardPaths } from './paths.ts';

/** One row of a shard: its request and its record. The buffers are views into blocks that stay. */
export interface ShardLine {
  readonly customId: string;
  readonly ordinal: number;
  /** The whole request line, without its newline. */
  readonly request: Buffer;
  /** The record's JSON. */
  readonly record: Buffer;
  /** Earlier attempts of the row; empty in a first shard. */
  readonly attempts: readonly RowAttempt[];
  /** The whole record line, without its newline. */
  readonly recordLine: Buffer;
}

/**
 * The rows of a sealed shard in their order, in batches of about a block. Throws `corrupt_shard`,
 * naming the file and the line, when the two files are not as they were sealed.
 */
export function readShard(
  directory: string,
  name: string,
): AsyncGenerator<ShardLine[], void, undefined> {
  const { requests, records } = shardPaths(directory, name);
  return readPair(requests, records);
}

/** As `readShard`, of any two files in these formats. */
export async function* readPair(
  requests: string,
  records: string,
  blockBytes: number = READ_BLOCK_BYTES,
): AsyncGenerator<ShardLine[], void, undefined> {
  const recordBlocks = readLineBlocks(records, blockBytes);
  try {
    let recordLines: Buffer[] = [];
    let next = 0;
    let line = 0;
    for await (const requestLines of readLineBlocks(requests, blockBytes)) {
      const batch: ShardLine[] = [];
      for (const request of requestLines) {
        line++;
        if (next === recordLines.length) {
          const read = await recordBlocks.next();
          if (read.done === true) throw corruptShard(records, line, 'the line is missing');
          recordLines = read.value;
          next = 0;
        }
        batch.push(shardLine(request, recordLines[next++]!, requests, records, line));
      }
      yield batch;
    }
    if (next < recordLines.length || (await recordBlocks.next()).done !== true) {
      throw corruptShard(requests, line + 1, 'the line is missing');
    }
  } finally {
    await recordBlocks.return();
  }
}

function shardLine(
  request: Buffer,
  recordLine: Buffer,
  requests: string,
  records: string,
  line: number,
): ShardLine {
  const customId = readCustomId(request);
  if (customId === undefined) throw corruptShard(requests, line, 'this is no request line');
  const parts = readRecordLine(recordLine);
  if (parts === undefined) throw corruptShard(records, line, 'this is no record line');
  const { ordinal, record, attempts } = parts;
  return { customId, ordinal, request, record, attempts, recordLine };
}

/** Hex SHA-256 of a file. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of createReadStream(path, { highWaterMark: HASH_BLOCK_BYTES })) {
    hash.update(block);
  }
  return hash.digest('hex');
}

const HASH_BLOCK_BYTES = 1024 * 1024; // 1 MiB
