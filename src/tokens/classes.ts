import { readFileSync } from 'node:fs';

// What the splitting patterns tell apart. A letter is UPPER, LOWER or LETTER.
/** Punctuation, symbols, controls and what is not assigned. */
export const OTHER = 0;
/** Lu and Lt. */
export const UPPER = 1;
/** Ll. */
export const LOWER = 2;
/** Lm and Lo. */
export const LETTER = 3;
/** M. */
export const MARK = 4;
/** N. */
export const NUMBER = 5;
/** White space without line ends. */
export const SPACE = 6;
/** CR and LF. */
export const LINE_END = 7;

const CODES = 0x110000;

let classes: Uint8Array | undefined;

/**
 * The class of every code point, by code point: those of Unicode 16, which tiktoken's patterns
 * know, and so the same on every engine. Flat, since a text touches few parts of it.
 */
export function classTable(): Uint8Array {
  classes ??= unpack(readFileSync(new URL('./data/classes.bin', import.meta.url)));
  return classes;
}

/** Runs of one class: the class in the low three bits, the length above, as little-endian varints. */
function unpack(file: Uint8Array): Uint8Array {
  const table = new Uint8Array(CODES);
  let code = 0;
  for (let at = 0; at < file.length; ) {
    let value = 0;
    let unit = 1;
    for (; file[at]! >= 128; at++, unit *= 128) value += (file[at]! - 128) * unit;
    value += file[at++]! * unit;
    const end = code + Math.floor(value / 8);
    table.fill(value % 8, code, end);
    code = end;
  }
  return table;
}
