import { classOf, LINE_END, LOWER, NUMBER, OTHER, SPACE, UPPER } from './classes.ts';

// What the two encodings' patterns make of ASCII text, as tables for a loop that looks at four bytes
// at once. A word is `[prefix]?[upper]?[lower]+`; cl100k's letters are all lower ones.

export interface WordRules {
  /** Or-ed to four bytes before they are compared with a-z: 0x20 each makes capitals lower ones. */
  readonly fold: number;
  /** By first byte: the high bits of the bytes that need not be lower ones, were the second a capital. */
  readonly starts: Int32Array;
  /** By second byte: the high bits that may be taken from `starts`. */
  readonly seconds: Int32Array;
  /** By the byte after a word: 1 where the word may go on. */
  readonly goesOn: Uint8Array;
  /** By two bytes' kinds, `first << 3 | second`: 1 where the first byte is a piece of its own. */
  readonly single: Uint8Array;
}

/** The byte is not ASCII, or it needs a closer look. */
const UNKNOWN = 3;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;

/** By byte: its class, for `single`. */
export const kinds = new Uint8Array(256).fill(UNKNOWN);
for (let byte = 0; byte < 128; byte++) kinds[byte] = classOf(byte);
kinds[APOSTROPHE] = UNKNOWN;
kinds[SLASH] = UNKNOWN;

export const o200kWords = rules(0);
export const cl100kWords = rules(0x20202020);

function rules(fold: number): WordRules {
  const starts = new Int32Array(256);
  const seconds = new Int32Array(256).fill(0xff);
  const goesOn = new Uint8Array(256).fill(1, 128);
  // A contraction belongs to the word in o200k, and is a piece of its own in cl100k.
  if (fold === 0) goesOn[APOSTROPHE] = 1;
  // NUL ends a text in its buffer.
  for (let byte = 1; byte < 128; byte++) {
    const kind = classOf(byte);
    const prefix = (kind === OTHER || kind === SPACE) && (fold === 0 || byte !== APOSTROPHE);
    if (prefix) starts[byte] = 0x8080;
    if (fold === 0 && kind === UPPER) {
      starts[byte] = 0x80;
      seconds[byte] = 0xffff;
    }
  }
  return { fold, starts, seconds, goesOn, single: singles() };
}

function singles(): Uint8Array {
  const table = new Uint8Array(64);
  const set = (first: number, ...seconds: number[]) => {
    for (const second of seconds) table[(first << 3) | second] = 1;
  };
  set(OTHER, NUMBER, SPACE);
  set(NUMBER, OTHER, UPPER, LOWER, SPACE, LINE_END);
  set(SPACE, NUMBER);
  set(LINE_END, OTHER, UPPER, LOWER, NUMBER);
  set(UPPER, OTHER, NUMBER, SPACE, LINE_END);
  return table;
}
