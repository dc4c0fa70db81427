import {
  ASCII,
  LETTER,
  LINE_END,
  LOWER,
  loadClasses,
  MARK,
  NUMBER,
  OTHER,
  SPACE,
  UPPER,
} from './classes.ts';

// The splitting patterns of the encodings, written out over UTF-8 bytes. A splitter gives the end of
// the piece that begins at `at`, which is below `end`. Text that is not UTF-8 is split somewhere.

export type Splitter = (bytes: Uint8Array, at: number, end: number) => number;

const APOSTROPHE = 0x27;
const { blocks, fine } = loadClasses();

const bit = (...of: number[]) => of.reduce((set, one) => set | (1 << one), 0);
const LETTERS = bit(UPPER, LOWER, LETTER);
const WORD = bit(UPPER, LOWER, LETTER, MARK);
const HEAD = bit(UPPER, LETTER, MARK);
const TAIL = bit(LOWER, LETTER, MARK);
const SYMBOLS = bit(OTHER, MARK);
const SPACES = bit(SPACE, LINE_END);

/**
 * ```text
 * [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 * |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 * |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * ```
 */
export const splitO200k: Splitter = (bytes, at, end) => {
  const first = classAt(bytes, at);
  const second = Math.min(at + (first >> 3), end);
  switch (first & 7) {
    case UPPER:
    case LOWER:
    case LETTER:
      return contracted(bytes, wordEnd(bytes, at, end), end);
    case MARK: {
      const word = is(WORD, bytes, second, end) ? wordEnd(bytes, second, end) : second;
      // A mark before nothing but capitals is a word of its own, not their prefix.
      const alone = word === second || upperEnd(bytes, second, end) === word;
      return contracted(bytes, alone ? second : word, end);
    }
    case NUMBER:
      return numberEnd(bytes, at, end);
    case LINE_END:
      return spaceEnd(bytes, at, end);
    default:
      if (is(WORD, bytes, second, end)) {
        return contracted(bytes, wordEnd(bytes, second, end), end);
      }
      if ((first & 7) === OTHER) return symbolEnd(bytes, at, end, 0x2f);
      if (bytes[at] === 0x20 && is(SYMBOLS, bytes, second, end)) {
        return symbolEnd(bytes, second, end, 0x2f);
      }
      return spaceEnd(bytes, at, end);
  }
};

/**
 * ```text
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 * | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * ```
 */
export const splitCl100k: Splitter = (bytes, at, end) => {
  if (bytes[at] === APOSTROPHE) {
    const contraction = contracted(bytes, at, end);
    if (contraction !== at) return contraction;
  }
  const first = classAt(bytes, at);
  const second = Math.min(at + (first >> 3), end);
  const kind = first & 7;
  if (((1 << kind) & LETTERS) !== 0) return runEnd(LETTERS, bytes, at, end);
  if (kind === NUMBER) return numberEnd(bytes, at, end);
  if (kind !== LINE_END && is(LETTERS, bytes, second, end)) {
    return runEnd(LETTERS, bytes, second, end);
  }
  if (((1 << kind) & SYMBOLS) !== 0) return symbolEnd(bytes, at, end, 0x0a);
  if (bytes[at] === 0x20 && is(SYMBOLS, bytes, second, end)) {
    return symbolEnd(bytes, second, end, 0x0a);
  }
  return spaceEnd(bytes, at, end);
};

/** The class of the character at a place in the low three bits, its length in bytes above. */
function classAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 8 | fine[ASCII + lead]!;
  if (lead < 0xc0) return 8 | OTHER;
  const second = bytes[at + 1]! & 63;
  if (lead < 0xe0) return 16 | fine[(blocks[lead & 31]! << 6) | second]!;
  const third = bytes[at + 2]! & 63;
  if (lead < 0xf0) return 24 | fine[(blocks[((lead & 15) << 6) | second]! << 6) | third]!;
  // Beyond Unicode there is no block, and this is a capital: text that is not UTF-8 is split somewhere.
  const block = blocks[((lead & 7) << 12) | (second << 6) | third]!;
  return 32 | fine[(block << 6) | (bytes[at + 3]! & 63)]!;
}

function is(set: number, bytes: Uint8Array, at: number, end: number): boolean {
  return at < end && ((1 << (classAt(bytes, at) & 7)) & set) !== 0;
}

function runEnd(set: number, bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const here = classAt(bytes, at);
    if (((1 << (here & 7)) & set) === 0) return at;
    at += here >> 3;
  }
  return end;
}

/** `[head]*[tail]+`, or else `[head]+`, from a character that is in one of the two. */
function wordEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let afterCommon = -1;
  while (at < end) {
    const here = classAt(bytes, at);
    if (((1 << (here & 7)) & HEAD) === 0) {
      if ((here & 7) === LOWER) return runEnd(TAIL, bytes, at, end);
      break;
    }
    at += here >> 3;
    // A letter without case, or a mark, is in both sets: the tail may begin with the last of them.
    if ((here & 7) !== UPPER) afterCommon = at;
  }
  return afterCommon === -1 ? Math.min(at, end) : Math.min(afterCommon, end);
}

function upperEnd(bytes: Uint8Array, from: number, end: number): number {
  return runEnd(1 << UPPER, bytes, from, end);
}

/** Takes in `'s` and its kind, in either case; the long s is an s. */
function contracted(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== APOSTROPHE || at + 1 >= end) return at;
  const first = bytes[at + 1]! | 0x20;
  // s, t, m, d
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) {
    return bytes[at + 1]! < 0x80 ? at + 2 : at;
  }
  if (at + 2 >= end) return at;
  if (bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf) return at + 3;
  const second = bytes[at + 2]! | 0x20;
  const [r, v, l, e] = [0x72, 0x76, 0x6c, 0x65];
  if (bytes[at + 1]! >= 0x80 || bytes[at + 2]! >= 0x80) return at;
  if ((first === r || first === v) && second === e) return at + 3;
  return first === l && second === l ? at + 3 : at;
}

/** Up to three digits. */
function numberEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  for (let digits = 0; digits < 3 && at < end; digits++) {
    const here = classAt(bytes, at);
    if ((here & 7) !== NUMBER) return at;
    at += here >> 3;
  }
  return Math.min(at, end);
}

/** Symbols and marks, then line ends, and slashes where `slash` is one. */
function symbolEnd(bytes: Uint8Array, from: number, end: number, slash: number): number {
  let at = runEnd(SYMBOLS, bytes, from, end);
  while (at < end && (bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === slash)) at += 1;
  return at;
}

/** To the last line end of a run of white space; else all of it but the character before a text. */
function spaceEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let last = from;
  let afterLine = -1;
  while (at < end) {
    const here = classAt(bytes, at);
    if (((1 << (here & 7)) & SPACES) === 0) break;
    last = at;
    at += here >> 3;
    if ((here & 7) === LINE_END) afterLine = at;
  }
  if (afterLine !== -1) return Math.min(afterLine, end);
  return at >= end || last === from ? Math.min(at, end) : last;
}
