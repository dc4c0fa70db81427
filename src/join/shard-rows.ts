import type { RowAttempt } from '../core/result.ts';
import { corruptShard, readRecordLine } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import { type LineBlock, lineBlocks } from './line-blocks.ts';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const ZERO = 0x30;
const REQUEST_START = Buffer.from('{"custom_id":"');
const RECORD_START = Buffer.from('{"ordinal":');
const RECORD_KEY = Buffer.from(',"record":');
const NO_ATTEMPTS: readonly RowAttempt[] = [];

/**
 * One row of a shard as offsets into the blocks that it was read in. One instance is filled again and
 * again, and its buffers are used again too: nothing of it may be kept.
 */
export class ShardRow {
  /** The request line runs from `start` to the newline at `end`. */
  readonly request = new LineFeed();
  /** The record line, likewise. */
  readonly recordLine = new LineFeed();
  /** The text of the custom_id in the request line, as JSON, without its quotes. */
  idStart = 0;
  idEnd = 0;
  idEscaped = false;
  /** The record line up to here is `{"ordinal":N`. */
  ordinalEnd = 0;
  recordStart = 0;
  recordEnd = 0;
  /** Earlier attempts. */
  attempts: readonly RowAttempt[] = NO_ATTEMPTS;

  /** False when the request line is not one of ours. */
  readRequest(): boolean {
    const { buffer, start, end } = this.request;
    if (!startsWith(buffer, start, REQUEST_START)) return false;
    let at = start + REQUEST_START.length;
    this.idStart = at;
    this.idEscaped = false;
    for (; at < end; at++) {
      const byte = buffer[at];
      if (byte === QUOTE) {
        this.idEnd = at;
        return buffer[end - 1] === CLOSE_BRACE;
      }
      if (byte !== BACKSLASH) continue;
      this.idEscaped = true;
      at++;
    }
    return false;
  }

  /** False when the record line is not one of ours. */
  readRecord(): boolean {
    const { buffer, start, end } = this.recordLine;
    if (!startsWith(buffer, start, RECORD_START)) return false;
    const digits = start + RECORD_START.length;
    let at = digits;
    while (buffer[at]! - ZERO >= 0 && buffer[at]! - ZERO <= 9) at++;
    this.ordinalEnd = at;
    this.recordStart = at + RECORD_KEY.length;
    this.recordEnd = end - 1;
    this.attempts = NO_ATTEMPTS;
    if (at === digits || this.recordStart >= end || buffer[end - 1] !== CLOSE_BRACE) return false;
    if (!startsWith(buffer, at, RECORD_KEY)) return false;
    // Only such a line can end in attempts; it may also be a record that is an array.
    if (buffer[end - 2] === CLOSE_BRACKET) {
      const parts = readRecordLine(buffer.subarray(start, end));
      if (parts === undefined) return false;
      this.attempts = parts.attempts;
      this.recordEnd = this.recordStart + parts.record.length;
    }
    return true;
  }
}

/** The lines of one file, one at a time. */
class LineFeed {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = -1;
  #blockEnd = 0;

  /** Goes to the next line of the block; false at its end. */
  step(): boolean {
    this.start = this.end + 1;
    if (this.start >= this.#blockEnd) return false;
    this.end = this.buffer.indexOf(NEWLINE, this.start);
    return true;
  }

  /** Goes to the next line, reading on; false at the file's end. */
  async advance(blocks: AsyncGenerator<LineBlock, void, undefined>): Promise<boolean> {
    const block = await blocks.next();
    if (block.done) return false;
    this.buffer = block.value.buffer;
    this.end = block.value.start - 1;
    this.#blockEnd = block.value.end;
    return this.step();
  }
}

/**
 * Calls `visit` for each row of a sealed shard in order, and awaits it where it gives a promise.
 * Throws `corrupt_shard`, naming the file and the line, when the files are not as they were sealed.
 */
export async function forEachRow(
  directory: string,
  name: string,
  visit: (row: ShardRow) => void | Promise<void>,
): Promise<void> {
  const paths = shardPaths(directory, name);
  const requests = lineBlocks(paths.requests, { reuse: true });
  const records = lineBlocks(paths.records, { reuse: true });
  const row = new ShardRow();
  try {
    for (let line = 1; ; line++) {
      const hasRequest = row.request.step() || (await row.request.advance(requests));
      const hasRecord = row.recordLine.step() || (await row.recordLine.advance(records));
      if (!hasRequest && !hasRecord) return;
      if (!hasRequest) throw corruptShard(paths.requests, line, 'the line is missing');
      if (!hasRecord) throw corruptShard(paths.records, line, 'the line is missing');
      if (!row.readRequest()) throw corruptShard(paths.requests, line, 'this is no request line');
      if (!row.readRecord()) throw corruptShard(paths.records, line, 'this is no record line');
      const visited = visit(row);
      if (visited !== undefined) await visited;
    }
  } finally {
    await requests.return();
    await records.return();
  }
}

function startsWith(buffer: Buffer, start: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index++) {
    if (buffer[start + index] !== text[index]) return false;
  }
  return true;
}
