import type { RowAttempt } from '../core/result.ts';
import { corruptShard, readRecordLine } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import { openPrivate } from '../streams/files.ts';
import type { LineBlock } from './line-blocks.ts';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const ZERO = 0x30;
const REQUEST_START = Buffer.from('{"custom_id":"');
const RECORD_START = Buffer.from('{"ordinal":');
const RECORD_KEY = Buffer.from(',"record":');
const LINE_END = Buffer.from('}\n');
const NO_ATTEMPTS: readonly RowAttempt[] = [];

/**
 * One row of a shard as offsets into the blocks that it was read in. One instance is filled again and
 * again, and its buffers are used again too: nothing of it may be kept.
 */
export class ShardRow {
  readonly request: ShardLine;
  readonly recordLine: ShardLine;
  /** The text of the custom_id in the request line, as JSON, without its quotes. */
  idStart = 0;
  idEnd = 0;
  idEscaped = false;
  ordinal = 0;
  /** The record line up to `ordinalEnd` is `{"ordinal":N`. */
  ordinalStart = 0;
  ordinalEnd = 0;
  recordStart = 0;
  recordEnd = 0;
  /** Earlier attempts. */
  attempts: readonly RowAttempt[] = NO_ATTEMPTS;

  constructor(request: ShardLine, recordLine: ShardLine) {
    this.request = request;
    this.recordLine = recordLine;
  }

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
    let ordinal = 0;
    for (; ; at++) {
      const digit = buffer[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      ordinal = ordinal * 10 + digit;
    }
    this.ordinal = ordinal;
    this.ordinalStart = digits;
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

/** A line of a file, from `start` to the newline at `end`. */
export interface ShardLine {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The lines of one file, one at a time. */
export class LineFeed {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = -1;
  #blockEnd = 0;
  #left = 0;

  /** Goes `lines` on; false when the block ends before: then call `reach`. */
  skip(lines: number): boolean {
    let left = lines;
    while (left > 0 && this.step()) left--;
    this.#left = left;
    return left === 0;
  }

  /** Goes on to where `skip` wanted, reading on; false at the file's end. */
  async reach(blocks: AsyncGenerator<LineBlock, void, undefined>): Promise<boolean> {
    do {
      if (!(await this.advance(blocks))) return false;
    } while (!this.skip(this.#left - 1));
    return true;
  }

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

/** Of what is not looked at. */
export const NO_LINE: ShardLine = { buffer: Buffer.alloc(0), start: 0, end: 0 };

/**
 * Checks that the records of a shard end with a whole line, which a file that was cut does not, and
 * gives their bytes. Throws `corrupt_shard`.
 */
export async function checkRecordsEnd(
  directory: string,
  name: string,
  rows: number,
): Promise<number> {
  const { records: path } = shardPaths(directory, name);
  const handle = await openPrivate(path, 'r');
  try {
    const { size } = await handle.stat();
    const end = Buffer.alloc(LINE_END.length);
    await handle.read(end, 0, end.length, Math.max(0, size - end.length));
    if (rows > 0 && !end.equals(LINE_END)) throw corruptShard(path, rows, 'the line is not whole');
    return size;
  } finally {
    await handle.close();
  }
}

function startsWith(buffer: Buffer, start: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index++) {
    if (buffer[start + index] !== text[index]) return false;
  }
  return true;
}
