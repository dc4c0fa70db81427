import { MillraceError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';
import type { RowAttempt } from '../core/result.ts';

// The two line formats of a shard. A request line is
//
//   {"custom_id":ID,"method":"POST","url":URL,"body":{"model":MODEL,...}}
//
// with its keys in this order and no blanks between them, so that the id and the model are found by
// place and not by parsing. A record line, line for line beside it, is
//
//   {"ordinal":N,"record":JSON}   or   {"ordinal":N,"record":JSON,"attempts":[...]}

export const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACE = 0x7d;
const BRACKET = 0x5d;
const ZERO = 0x30;

const ID_PREFIX = Buffer.from('{"custom_id":');
const ORDINAL_PREFIX = Buffer.from('{"ordinal":');
const RECORD_KEY = Buffer.from(',"record":');
const ATTEMPTS_KEY = Buffer.from(',"attempts":');

/**
 * What stands in every line of a shard between the custom_id and the body's second parameter:
 * from `,"method"` to the closing quote of the model. `urlPrefix` is the dialect's, empty or `/v1`.
 */
export function lineHead(endpoint: Endpoint, model: string, urlPrefix: '' | '/v1' = ''): Buffer {
  return Buffer.from(headText(endpoint, model, urlPrefix));
}

export function headText(endpoint: Endpoint, model: string, urlPrefix: '' | '/v1' = ''): string {
  return `,"method":"POST","url":${JSON.stringify(urlPrefix + endpoint)},"body":{"model":${JSON.stringify(model)}`;
}

/** A request line without its newline. `body` is the JSON of an object whose first key is model. */
export function requestLine(customId: string, endpoint: Endpoint, body: string): string {
  return `{"custom_id":${JSON.stringify(customId)},"method":"POST","url":"${endpoint}","body":${body}}`;
}

/** A record line without its newline. `record` is JSON. */
export function recordLine(
  ordinal: number,
  record: string,
  attempts: readonly RowAttempt[] = [],
): string {
  const tail = attempts.length === 0 ? '' : `,"attempts":${JSON.stringify(attempts)}`;
  return `{"ordinal":${ordinal},"record":${record}${tail}}`;
}

/**
 * Offset after the closing quote of the custom_id of the line that starts at `start`; -1 when the
 * buffer ends before it, -2 when this is not a request line of ours.
 */
export function endOfCustomId(buffer: Buffer, start: number): number {
  const have = Math.min(buffer.length - start, ID_PREFIX.length);
  if (ID_PREFIX.compare(buffer, start, start + have, 0, have) !== 0) return -2;
  const open = start + ID_PREFIX.length;
  if (open >= buffer.length) return -1;
  if (buffer[open] !== QUOTE) return -2;
  for (let at = open + 1; ; at++) {
    at = buffer.indexOf(QUOTE, at);
    if (at === -1) return -1;
    let slashes = 0;
    while (buffer[at - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

/** The custom_id of a whole request line, or undefined when it is not one of ours. */
export function readCustomId(line: Buffer): string | undefined {
  const end = endOfCustomId(line, 0);
  if (end < 0) return undefined;
  const inner = line.toString('utf8', ID_PREFIX.length + 1, end - 1);
  return inner.includes('\\') ? parse<string>(`"${inner}"`) : inner;
}

/** The parts of a record line. */
export interface RecordParts {
  readonly ordinal: number;
  /** The record's JSON, a view into the line. */
  readonly record: Buffer;
  readonly attempts: readonly RowAttempt[];
}

const NO_ATTEMPTS: readonly RowAttempt[] = [];

/** Takes a whole record line apart without parsing the record; undefined when it is not one. */
export function readRecordLine(line: Buffer): RecordParts | undefined {
  if (line.length < ORDINAL_PREFIX.length) return undefined;
  if (ORDINAL_PREFIX.compare(line, 0, ORDINAL_PREFIX.length) !== 0) return undefined;
  let at = ORDINAL_PREFIX.length;
  const firstDigit = at;
  let ordinal = 0;
  for (; ; at++) {
    const digit = (line[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) break;
    ordinal = ordinal * 10 + digit;
  }
  const start = at + RECORD_KEY.length;
  const last = line.length - 1;
  if (at === firstDigit || start >= last || line[last] !== BRACE) return undefined;
  if (RECORD_KEY.compare(line, at, start) !== 0) return undefined;
  // A raw `,"attempts":` cannot stand inside a JSON string, and inside the record something is
  // closed after it: so what follows up to the line's last brace is an array only if it is ours.
  if (line[last - 1] === BRACKET) {
    const key = line.lastIndexOf(ATTEMPTS_KEY);
    if (key >= start) {
      const list = parse<RowAttempt[]>(line.toString('utf8', key + ATTEMPTS_KEY.length, last));
      if (list !== undefined) return { ordinal, record: line.subarray(start, key), attempts: list };
    }
  }
  return { ordinal, record: line.subarray(start, last), attempts: NO_ATTEMPTS };
}

/** The error of a shard's file that is not as it was sealed. */
export function corruptShard(file: string, line: number, what: string): MillraceError {
  return new MillraceError(
    'corrupt_shard',
    `${file} line ${line}: ${what}; the file was changed after it was sealed, prepare it again`,
  );
}

function parse<T>(json: string): T | undefined {
  try {
    return JSON.parse(json) as T;
  } catch {
    return undefined;
  }
}
