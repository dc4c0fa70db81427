import { errorCode, MillraceError } from '../core/errors.ts';
import type { ResultRow } from '../core/result.ts';
import { type LineBlock, type LineBlockOptions, lineBlocks } from './line-blocks.ts';

const NEWLINE = 0x0a;
const ZERO = 0x30;
const ORDINAL_PREFIX = Buffer.from('{"ordinal":');

/**
 * One result file as blocks of whole lines. A file that does not exist has none: a shard all of whose
 * rows were left over writes no file.
 */
export async function* resultBlocks(
  path: string,
  options: LineBlockOptions = {},
): AsyncGenerator<LineBlock, void, undefined> {
  try {
    yield* lineBlocks(path, options);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** The lines of one result file, block by block, each without its newline. */
export async function* resultLines(path: string): AsyncGenerator<Buffer[], void, undefined> {
  for await (const { buffer, start, end } of resultBlocks(path)) {
    const lines: Buffer[] = [];
    for (let at = start; at < end; ) {
      const newline = buffer.indexOf(NEWLINE, at);
      if (newline > at) lines.push(buffer.subarray(at, newline));
      at = newline + 1;
    }
    yield lines;
  }
}

/** The rows of one result file, parsed. Throws `damaged_result` for a line that is not a row. */
export async function* readRows<T = unknown, O = unknown>(
  path: string,
): AsyncGenerator<ResultRow<T, O>, void, undefined> {
  let number = 0;
  for await (const lines of resultLines(path)) {
    for (const line of lines) {
      number++;
      yield parseRow<T, O>(line, path, number);
    }
  }
}

/** One row from its line; `where` names the file for the error. */
export function parseRow<T = unknown, O = unknown>(
  line: Buffer,
  where: string,
  number?: number,
): ResultRow<T, O> {
  try {
    return JSON.parse(line.toString('utf8')) as ResultRow<T, O>;
  } catch (error) {
    // The parser's own words would quote the record.
    const code = error instanceof SyntaxError ? 'not JSON' : 'not readable';
    throw damaged(where, number, code);
  }
}

/** The ordinal at the fixed start of the row's line `bytes[start, end)`. */
export function ordinalAt(bytes: Buffer, start: number, end: number, where: string): number {
  const digits = start + ORDINAL_PREFIX.length;
  let at = digits;
  let ordinal = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    ordinal = ordinal * 10 + digit;
  }
  const whole = at > digits && ORDINAL_PREFIX.compare(bytes, start, digits) === 0;
  if (!whole) throw damaged(where, undefined, 'a line does not start with its ordinal');
  return ordinal;
}

/** The same of a line that is a buffer of its own. */
export function ordinalOf(line: Buffer, where: string): number {
  return ordinalAt(line, 0, line.length, where);
}

export function damaged(where: string, line: number | undefined, what: string): MillraceError {
  const at = line === undefined ? where : `${where} line ${line}`;
  return new MillraceError(
    'damaged_result',
    `${at}: ${what}; the file was changed after it was written, collect the shard again`,
  );
}
