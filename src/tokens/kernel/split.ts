import { LINE_END, LOWER, MARK, NUMBER, OTHER, UPPER } from '../class-names.ts';
import { classAt, HEAD, inSet, LETTERS, runEnd, SPACES, SYMBOLS, TAIL, WORD } from './classes.ts';

// The splitting patterns of the encodings, written out over UTF-8 bytes. A splitter gives the end of
// the piece that begins at `at`, which is below `end`. Text that is not UTF-8 is split somewhere.

const APOSTROPHE = 0x27;

/**
 * ```text
 * [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 * |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 * |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * ```
 */
export function splitO200k(at: usize, end: usize): usize {
  const first = classAt(at);
  const kind = first & 7;
  const second = min<usize>(at + (first >> 3), end);
  if (((1 << kind) & LETTERS) !== 0) return contracted(wordEnd(at, end), end);
  if (kind === NUMBER) return numberEnd(at, end);
  if (kind === LINE_END) return spaceEnd(at, end);
  if (kind === MARK) {
    const word = inSet(WORD, second, end) ? wordEnd(second, end) : second;
    // A mark before nothing but capitals is a word of its own, not their prefix.
    const alone = word === second || runEnd(1 << UPPER, second, end) === word;
    return contracted(alone ? second : word, end);
  }
  if (inSet(WORD, second, end)) return contracted(wordEnd(second, end), end);
  if (kind === OTHER) return symbolEnd(at, end, 0x2f);
  if (load<u8>(at) === 0x20 && inSet(SYMBOLS, second, end)) return symbolEnd(second, end, 0x2f);
  return spaceEnd(at, end);
}

/**
 * ```text
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 * | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * ```
 */
export function splitCl100k(at: usize, end: usize): usize {
  const contraction = contracted(at, end);
  if (contraction !== at) return contraction;
  const first = classAt(at);
  const kind = first & 7;
  const second = min<usize>(at + (first >> 3), end);
  if (((1 << kind) & LETTERS) !== 0) return runEnd(LETTERS, at, end);
  if (kind === NUMBER) return numberEnd(at, end);
  if (kind !== LINE_END && inSet(LETTERS, second, end)) return runEnd(LETTERS, second, end);
  if (((1 << kind) & SYMBOLS) !== 0) return symbolEnd(at, end, 0x0a);
  if (load<u8>(at) === 0x20 && inSet(SYMBOLS, second, end)) return symbolEnd(second, end, 0x0a);
  return spaceEnd(at, end);
}

/** `[head]*[tail]+`, or else `[head]+`, from a character that is in one of the two. */
function wordEnd(from: usize, end: usize): usize {
  let at = from;
  let afterCommon: usize = 0;
  while (at < end) {
    const here = classAt(at);
    const kind = here & 7;
    if (((1 << kind) & HEAD) === 0) {
      if (kind === LOWER) return runEnd(TAIL, at, end);
      break;
    }
    at += here >> 3;
    // A letter without case, or a mark, is in both sets: the tail may begin with the last of them.
    if (kind !== UPPER) afterCommon = at;
  }
  return min<usize>(afterCommon === 0 ? at : afterCommon, end);
}

/** Takes in `'s` and its kind, in either case; the long s is an s. */
function contracted(at: usize, end: usize): usize {
  if (at + 1 >= end || load<u8>(at) !== APOSTROPHE) return at;
  const next: u32 = load<u8>(at, 1);
  const first = next | 0x20;
  // s, t, m, d
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return at + 2;
  if (at + 2 >= end) return at;
  const beyond: u32 = load<u8>(at, 2);
  if (next === 0xc5 && beyond === 0xbf) return at + 3;
  const second = beyond | 0x20;
  // re, ve, ll
  if ((first === 0x72 || first === 0x76) && second === 0x65) return at + 3;
  return first === 0x6c && second === 0x6c ? at + 3 : at;
}

/** Up to three digits. */
function numberEnd(from: usize, end: usize): usize {
  let at = from;
  for (let digits = 0; digits < 3 && at < end; digits++) {
    const here = classAt(at);
    if ((here & 7) !== NUMBER) return at;
    at += here >> 3;
  }
  return min<usize>(at, end);
}

/** Symbols and marks, then line ends, and slashes where `slash` is one. */
function symbolEnd(from: usize, end: usize, slash: u32): usize {
  let at = runEnd(SYMBOLS, from, end);
  for (; at < end; at++) {
    const byte: u32 = load<u8>(at);
    if (byte !== 0x0a && byte !== 0x0d && byte !== slash) break;
  }
  return at;
}

/** To the last line end of a run of white space; else all of it but the character before a text. */
function spaceEnd(from: usize, end: usize): usize {
  let at = from;
  let last = from;
  let afterLine: usize = 0;
  while (at < end) {
    const here = classAt(at);
    if (((1 << (here & 7)) & SPACES) === 0) break;
    last = at;
    at += here >> 3;
    if ((here & 7) === LINE_END) afterLine = at;
  }
  if (afterLine !== 0) return min<usize>(afterLine, end);
  return at >= end || last === from ? min<usize>(at, end) : last;
}
