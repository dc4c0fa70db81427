import { MAX_DEPTH } from './parser.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** How the objects of a source are written around their values. */
export interface JsonShape {
  readonly names: readonly string[];
  /** What stands before each value: `{"id":`, `,"text":` and so on, blanks included. */
  readonly gaps: readonly Buffer[];
  /** What stands behind the last value. */
  readonly tail: Buffer;
  /** Bytes of the values that are objects and arrays. */
  readonly nested: number;
}

/**
 * The shape of an object that JSON.parse made of `data[start, end)`. Null when it has no keys, has
 * one twice, or has them in an order that the object does not keep.
 */
export function shapeOf(
  data: Buffer,
  start: number,
  end: number,
  object: object,
): JsonShape | null {
  const names = Object.keys(object);
  const gaps: Buffer[] = [];
  let nested = 0;
  let at = start;
  for (const name of names) {
    const gap = at;
    at = skipBlanks(data, at);
    if (data[at] !== (gaps.length === 0 ? OPEN_BRACE : COMMA)) return null;
    const key = skipBlanks(data, at + 1);
    if (data[key] !== QUOTE) return null;
    at = skipString(data, key + 1, end);
    if (at === -1 || JSON.parse(data.toString('utf8', key, at)) !== name) return null;
    at = skipBlanks(data, at);
    if (data[at] !== COLON) return null;
    at = skipBlanks(data, at + 1);
    gaps.push(Buffer.from(data.subarray(gap, at)));
    const value = at;
    at = skipValue(data, value, end);
    if (at === -1) return null;
    if (data[value] === OPEN_BRACE || data[value] === OPEN_BRACKET) nested += at - value;
  }
  const close = skipBlanks(data, at);
  if (names.length === 0 || data[close] !== CLOSE_BRACE) return null;
  return { names, gaps, tail: Buffer.from(data.subarray(at, close + 1)), nested };
}

/** Behind the value that starts at `start`, which is JSON, or -1; of a scalar, before what ends it. */
export function skipValue(data: Buffer, start: number, end: number): number {
  const byte = data[start];
  if (byte === QUOTE) return skipString(data, start + 1, end);
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return skipNested(data, start, end);
  let at = start;
  while (at < end && !ENDS_SCALAR.has(data[at]!)) at++;
  return at;
}

/**
 * Behind the object or array that starts at `start`, by its brackets and strings alone; -1 when it
 * does not end before `end`, or is too deep to be a value of a record.
 */
function skipNested(data: Buffer, start: number, end: number): number {
  let depth = 0;
  for (let at = start; at < end; ) {
    const byte = data[at++];
    if (byte === QUOTE) {
      at = skipString(data, at, end);
      if (at === -1) return -1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth === MAX_DEPTH) return -1;
    } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) {
      return at;
    }
  }
  return -1;
}

/** Behind the quote that ends the string whose inside starts at `start`, or -1. */
export function skipString(data: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (data[at] === QUOTE) return at + 1;
    if (data[at] === BACKSLASH) at++;
  }
  return -1;
}

const ENDS_SCALAR = new Set(Buffer.from(',}] \t\r\n'));

/** The offset of the next byte that is no white space of JSON. */
export function skipBlanks(data: Buffer, start: number): number {
  let at = start;
  while (data[at] === 0x20 || data[at] === 0x09 || data[at] === 0x0a || data[at] === 0x0d) at++;
  return at;
}
