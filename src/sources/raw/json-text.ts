// How JSON.stringify writes text, on bytes that are UTF-8.

import { hex4, writeCode } from '../json-escapes.ts';

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
const U = 0x75;
const SLASH = 0x2f;
const ZERO = 0x30;
const HEX = Buffer.from('0123456789abcdef');

/** By byte: 0 stands as it is; else the letter behind the backslash, `u` for the long form. */
export const ESCAPES = new Uint8Array(256);
ESCAPES.fill(U, 0, 0x20);
for (const [byte, letter] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
] as const) {
  ESCAPES[byte] = letter.charCodeAt(0);
}

/** Bytes that one byte of text can take. */
export const MOST_ESCAPED = 6;

/** Writes the escape of a byte whose letter in ESCAPES is not 0; gives where it ends. */
export function writeEscape(byte: number, letter: number, into: Buffer, at: number): number {
  into[at] = BACKSLASH;
  into[at + 1] = letter;
  if (letter !== U) return at + 2;
  into[at + 2] = ZERO;
  into[at + 3] = ZERO;
  into[at + 4] = HEX[byte >> 4]!;
  into[at + 5] = HEX[byte & 15]!;
  return at + 6;
}

/** By the letter behind a backslash: the byte that it stands for, or 0. */
const MEANS = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const letter = ESCAPES[byte]!;
  if (letter !== 0 && letter !== U) MEANS[letter] = byte;
}

/** Letters that JSON.stringify writes behind a backslash, the long form aside. */
export const USUAL_LETTERS = new Uint8Array(256);
for (const letter of '"\\bfnrt') USUAL_LETTERS[letter.charCodeAt(0)] = 1;

/**
 * Writes the inside of a string of JSON, `bytes[start, end)`, as JSON.stringify writes it, which is
 * never longer. Gives where it ends, or -1 when it is not JSON.
 */
export function rewriteInto(
  bytes: Buffer,
  start: number,
  end: number,
  into: Buffer,
  at: number,
): number {
  let to = at;
  for (let from = start; from < end; ) {
    const byte = bytes[from]!;
    if (byte !== BACKSLASH) {
      into[to++] = byte;
      from++;
      continue;
    }
    const letter = bytes[from + 1]!;
    if (letter !== U) {
      if (letter !== SLASH) {
        if (USUAL_LETTERS[letter] === 0) return -1;
        into[to++] = BACKSLASH;
      }
      into[to++] = letter;
      from += 2;
      continue;
    }
    const code = hex4(bytes, from + 2, end);
    if (code < 0) return -1;
    from += 6;
    if (code < 256 && ESCAPES[code] !== 0) {
      to = writeEscape(code, ESCAPES[code]!, into, to);
    } else if (code < 0xd800 || code > 0xdfff) {
      to = writeCode(code, into, to);
    } else {
      const paired = code < 0xdc00 && bytes[from] === BACKSLASH && bytes[from + 1] === U;
      const low = paired ? hex4(bytes, from + 2, end) : -1;
      if (low >= 0xdc00 && low <= 0xdfff) {
        to = writeCode(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), into, to);
        from += 6;
      } else {
        into[to++] = BACKSLASH;
        into[to++] = U;
        for (let shift = 12; shift >= 0; shift -= 4) into[to++] = HEX[(code >> shift) & 15]!;
      }
    }
  }
  return to;
}

/**
 * Writes the text of `bytes[start, end)`, the inside of a string of JSON as JSON.stringify writes it.
 * Gives where it ends, or -1 when it holds half of a surrogate pair, which UTF-8 does not have.
 */
export function unescapeInto(
  bytes: Buffer,
  start: number,
  end: number,
  into: Buffer,
  at: number,
): number {
  let to = at;
  for (let from = start; from < end; from++) {
    const byte = bytes[from]!;
    if (byte !== BACKSLASH) {
      into[to++] = byte;
      continue;
    }
    const letter = bytes[++from]!;
    if (letter !== U) {
      into[to++] = MEANS[letter]!;
      continue;
    }
    // Control characters begin with two zeros, surrogates with a d.
    if (bytes[from + 1] !== ZERO) return -1;
    into[to++] = (hexDigit(bytes[from + 3]!) << 4) | hexDigit(bytes[from + 4]!);
    from += 4;
  }
  return to;
}

function hexDigit(byte: number): number {
  return byte <= 0x39 ? byte - ZERO : byte - 0x61 + 10;
}

/** Copies `from[start, end)`; small pieces by hand, for a call costs more than they do. */
export function copyBytes(
  from: Buffer,
  start: number,
  end: number,
  to: Buffer,
  at: number,
): number {
  if (end - start > 40) {
    from.copy(to, at, start, end);
    return at + end - start;
  }
  let into = at;
  for (let i = start; i < end; i++) to[into++] = from[i]!;
  return into;
}
