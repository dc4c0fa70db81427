/**
 * JSON in bytes, checked and skipped without being decoded. Every function takes the offset where
 * something starts and gives the offset after it, or -1 when the bytes there are not JSON. The
 * grammar is that of JSON.parse, so that what passes here can be parsed by whoever reads it later.
 *
 * The text must be followed by a newline in the buffer: it ends every scan, so that the loops need
 * no test for the end.
 */

export const QUOTE = 0x22;
export const NEWLINE = 0x0a;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
export const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;
const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;
export const ZERO = 0x30;
export const NINE = 0x39;
export const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;

/** Nesting deeper than this is refused. */
const MAX_DEPTH = 2000;
const OBJECT = 1;
const ARRAY = 2;
const nesting = new Uint8Array(MAX_DEPTH);

/** Bytes that may follow a backslash, `u` apart. */
const ESCAPES = new Uint8Array(256);
for (const byte of Buffer.from('"\\/bfnrt')) ESCAPES[byte] = 1;

const HEX = new Uint8Array(256);
for (const byte of Buffer.from('0123456789abcdefABCDEF')) HEX[byte] = 1;

/** The next byte that is not a blank; a newline is not one here. */
export function skipBlanks(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at]!;
    if (byte !== SPACE && byte !== TAB && byte !== CARRIAGE_RETURN) return at;
    at++;
  }
}

/** `start` is the opening quote. */
export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    // Comparing is twice as fast here as looking the byte up in a table.
    let byte = bytes[at]!;
    while (byte !== QUOTE && byte !== BACKSLASH && byte >= SPACE) byte = bytes[++at]!;
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return -1;
    const escaped = bytes[at + 1]!;
    at += 2;
    if (ESCAPES[escaped] === 1) continue;
    if (escaped !== LOWER_U) return -1;
    for (const end = at + 4; at < end; at++) if (HEX[bytes[at]!] !== 1) return -1;
  }
}

/** A key and its colon. `start` is the opening quote. */
function skipKey(bytes: Buffer, start: number): number {
  if (bytes[start] !== QUOTE) return -1;
  const end = skipString(bytes, start);
  if (end === -1) return -1;
  const colon = skipBlanks(bytes, end);
  return bytes[colon] === COLON ? colon + 1 : -1;
}

/** Any value. `start` may be a blank before it. */
export function skipValue(bytes: Buffer, start: number): number {
  let at = start;
  let depth = 0;
  for (;;) {
    at = skipBlanks(bytes, at);
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = skipString(bytes, at);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const close = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
      at = skipBlanks(bytes, at + 1);
      if (bytes[at] === close) {
        at++;
      } else {
        if (depth === MAX_DEPTH) return -1;
        nesting[depth++] = byte === OPEN_BRACE ? OBJECT : ARRAY;
        if (byte === OPEN_BRACE) at = skipKey(bytes, at);
        if (at === -1) return -1;
        continue;
      }
    } else {
      at = skipScalar(bytes, at);
    }
    if (at === -1) return -1;

    // A value has ended: close what it closes, and stop before the next one.
    for (;;) {
      if (depth === 0) return at;
      at = skipBlanks(bytes, at);
      const next = bytes[at]!;
      const inObject = nesting[depth - 1] === OBJECT;
      at++;
      if (next === COMMA) {
        if (inObject) at = skipKey(bytes, skipBlanks(bytes, at));
        if (at === -1) return -1;
        break;
      }
      if (next !== (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return -1;
      depth--;
    }
  }
}

/** Sees one member of an object; gives the offset after its value, or -1. */
export type MemberVisitor<T> = (
  bytes: Buffer,
  /** First byte of the key's text, and the offset after its last. */
  keyStart: number,
  keyEnd: number,
  /** First byte of the value. */
  value: number,
  into: T,
) => number;

/** Walks the members of the object whose opening brace is at `start`. */
export function walkObject<T>(
  bytes: Buffer,
  start: number,
  visit: MemberVisitor<T>,
  into: T,
): number {
  let at = skipBlanks(bytes, start + 1);
  if (bytes[at] === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return -1;
    const keyStart = at + 1;
    const keyEnd = skipString(bytes, at);
    if (keyEnd === -1) return -1;
    at = skipBlanks(bytes, keyEnd);
    if (bytes[at] !== COLON) return -1;
    at = visit(bytes, keyStart, keyEnd - 1, skipBlanks(bytes, at + 1), into);
    if (at === -1) return -1;
    at = skipBlanks(bytes, at);
    const next = bytes[at];
    if (next === CLOSE_BRACE) return at + 1;
    if (next !== COMMA) return -1;
    at = skipBlanks(bytes, at + 1);
  }
}

/** The names that a visitor looks for. */
export class KeySet {
  readonly #names: readonly string[];
  readonly #bytes: readonly Buffer[];

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#bytes = names.map((name) => Buffer.from(name));
  }

  /** Which name the key is, or -1. A key written with escapes is decoded. */
  find(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    for (let index = 0; index < this.#bytes.length; index++) {
      const name = this.#bytes[index]!;
      if (name.length === length && sameBytes(name, bytes, start)) return index;
    }
    if (!hasEscape(bytes, start, end)) return -1;
    return this.#names.indexOf(decodeString(bytes, start, end));
  }
}

/** Whether the text of a string holds a backslash. */
export function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return true;
  return false;
}

/** The string whose text, without its quotes, lies between the offsets and is known to be JSON. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  return JSON.parse(bytes.toString('utf8', start - 1, end + 1)) as string;
}

/** Whether the value is the literal null. */
export function isNull(bytes: Buffer, value: number): boolean {
  return bytes[value] === LOWER_N;
}

function sameBytes(name: Buffer, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < name.length; index++) {
    if (name[index] !== bytes[start + index]) return false;
  }
  return true;
}

function skipScalar(bytes: Buffer, start: number): number {
  switch (bytes[start]) {
    case LOWER_T:
      return skipWord(bytes, start, 0x72, 0x75, LOWER_E) ? start + 4 : -1;
    case LOWER_N:
      return skipWord(bytes, start, LOWER_U, 0x6c, 0x6c) ? start + 4 : -1;
    case LOWER_F:
      return skipWord(bytes, start, 0x61, 0x6c, 0x73) && bytes[start + 4] === LOWER_E
        ? start + 5
        : -1;
    default:
      return skipNumber(bytes, start);
  }
}

function skipWord(bytes: Buffer, start: number, a: number, b: number, c: number): boolean {
  return bytes[start + 1] === a && bytes[start + 2] === b && bytes[start + 3] === c;
}

/** A number, whose first byte is at `start`. */
export function skipNumber(bytes: Buffer, start: number): number {
  let at = bytes[start] === MINUS ? start + 1 : start;
  if (bytes[at] === ZERO) at++;
  else at = skipDigits(bytes, at);
  if (at !== -1 && bytes[at] === DOT) at = skipDigits(bytes, at + 1);
  if (at !== -1 && (bytes[at]! | 0x20) === LOWER_E) {
    const sign = bytes[at + 1];
    at = skipDigits(bytes, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }
  return at;
}

/** At least one digit. */
function skipDigits(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  return at === start ? -1 : at;
}
