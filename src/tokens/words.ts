import { LINE_END, LOWER, NUMBER, OTHER, SPACE, UPPER } from './class-names.ts';
import { classOf } from './classes.ts';
import { BLANK_SYMBOLS, CAPITALS, PREFIX_CAPITALS, SYMBOLS, WHITE } from './shapes.ts';

// What the two encodings' patterns make of ASCII text, as tables for a loop that looks at 16 bytes at
// once. A word is `[prefix]?[upper]?[lower]+`; cl100k's letters are all lower ones.

export interface WordRules {
  /** By first byte: bits of the bytes that need not be lower ones, were the second a capital. */
  readonly starts: Uint8Array;
  /** By second byte: the bits that may be taken from `starts`. */
  readonly seconds: Uint8Array;
  /** By the byte after a word: 1 where the word may go on. */
  readonly goesOn: Uint8Array;
  /** By the kinds of three bytes, the first in the highest bits: the bytes of the first piece, or what it is (shapes.ts); 0: look closer. */
  readonly shapes: Uint8Array;
}

/** The byte is not ASCII, or ends the text, or needs a closer look. */
const UNKNOWN = 3;
/** A space among the kinds, in the place of marks: there is none in ASCII. */
const BLANK = 4;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;

/** By byte: its class, for `shapes`. */
export const kinds = new Uint8Array(256).fill(UNKNOWN);
for (let byte = 1; byte < 128; byte++) kinds[byte] = classOf(byte);
kinds[0x20] = BLANK;
kinds[APOSTROPHE] = UNKNOWN;
kinds[SLASH] = UNKNOWN;

export function wordRules(encoding: 'o200k_base' | 'cl100k_base'): WordRules {
  const cased = encoding === 'o200k_base';
  const starts = new Uint8Array(256);
  const seconds = new Uint8Array(256).fill(0b01);
  const goesOn = new Uint8Array(256).fill(1, 128);
  // A contraction belongs to the word in o200k, and is a piece of its own in cl100k.
  if (cased) goesOn[APOSTROPHE] = 1;
  // NUL ends a text in its buffer.
  for (let byte = 1; byte < 128; byte++) {
    const kind = classOf(byte);
    const prefix = (kind === OTHER || kind === SPACE) && (cased || byte !== APOSTROPHE);
    if (prefix) starts[byte] = 0b11;
    if (cased && kind === UPPER) {
      starts[byte] = 0b01;
      seconds[byte] = 0b11;
    }
  }
  return { starts, seconds, goesOn, shapes: shapes(cased) };
}

/** What three bytes of ASCII tell of the first piece: its length, where no fourth could change it, else its shape. */
function shapes(cased: boolean): Uint8Array {
  const table = new Uint8Array(512);
  const letters = [UPPER, LOWER];
  const white = [BLANK, SPACE];
  const text = [OTHER, NUMBER, ...letters];
  const any = [...text, ...white, LINE_END, UNKNOWN];
  const notSymbol = [NUMBER, ...letters, ...white];
  const set = (length: number, first: number[], second: number[], third: number[]) => {
    for (const one of first)
      for (const two of second)
        for (const three of third) table[(one << 6) | (two << 3) | three] = length;
  };
  // What a scan of more bytes tells, where none of the following does.
  set(SYMBOLS, [OTHER], [OTHER, LINE_END, UNKNOWN], any);
  set(SYMBOLS, [UNKNOWN], [OTHER, LINE_END], any);
  set(BLANK_SYMBOLS, [BLANK], [OTHER, UNKNOWN], any);
  set(WHITE, [...white, LINE_END], [...white, LINE_END], any);
  if (cased) {
    set(CAPITALS, [UPPER], [UPPER], any);
    set(PREFIX_CAPITALS, [OTHER, ...white], [UPPER], [UPPER]);
  }
  set(1, [OTHER], [NUMBER, ...white], any);
  set(2, [OTHER, BLANK], [OTHER], notSymbol);
  set(2, [OTHER], [LINE_END], [OTHER, ...notSymbol]);
  set(1, [SPACE], [OTHER], any);
  set(1, white, [NUMBER], any);
  set(1, white, white, text);
  set(2, white, [LINE_END], text);
  set(1, [LINE_END], text, any);
  set(2, [LINE_END], [LINE_END], text);
  set(1, [NUMBER], [OTHER, ...letters, ...white, LINE_END], any);
  set(2, [NUMBER], [NUMBER], [OTHER, ...letters, ...white, LINE_END]);
  set(3, [NUMBER], [NUMBER], [NUMBER]);
  if (cased) {
    const notLetter = [OTHER, NUMBER, ...white, LINE_END];
    set(1, [UPPER], notLetter, any);
    set(2, [OTHER, UPPER, ...white], [UPPER], notLetter);
  }
  return table;
}
