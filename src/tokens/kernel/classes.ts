import { LETTER, LINE_END, LOWER, MARK, OTHER, SPACE, UPPER } from '../class-names.ts';
import { BLOCKS, FINE } from '../layout.ts';

export const LETTERS = (1 << UPPER) | (1 << LOWER) | (1 << LETTER);
export const WORD = LETTERS | (1 << MARK);
export const HEAD = (1 << UPPER) | (1 << LETTER) | (1 << MARK);
export const TAIL = (1 << LOWER) | (1 << LETTER) | (1 << MARK);
export const SYMBOLS = (1 << OTHER) | (1 << MARK);
export const SPACES = (1 << SPACE) | (1 << LINE_END);

/** Where ASCII begins among the classes. */
const ASCII = 8 << 6;

export function byteAt(at: usize): u32 {
  return load<u8>(at);
}

function fine(block: u32, low: u32): u32 {
  return load<u8>((block << 6) | low, FINE);
}

function blockOf(index: u32): u32 {
  return load<u16>(index << 1, BLOCKS);
}

/** The class of the character at a place in the low three bits, its length in bytes above. */
export function classAt(at: usize): u32 {
  const lead = byteAt(at);
  if (lead < 0x80) return 8 | load<u8>(lead, FINE + ASCII);
  if (lead < 0xc0) return 8 | OTHER;
  const second = byteAt(at + 1) & 63;
  if (lead < 0xe0) return 16 | fine(blockOf(lead & 31), second);
  const third = byteAt(at + 2) & 63;
  if (lead < 0xf0) return 24 | fine(blockOf(((lead & 15) << 6) | second), third);
  // Beyond Unicode there is no block: text that is not UTF-8 is split somewhere.
  const block = blockOf(((lead & 7) << 12) | (second << 6) | third);
  return 32 | fine(block, byteAt(at + 3) & 63);
}

export function inSet(set: u32, at: usize, end: usize): bool {
  return at < end && ((1 << (classAt(at) & 7)) & set) !== 0;
}

/** The end of a run of characters that are in a set. */
export function runEnd(set: u32, from: usize, end: usize): usize {
  let at = from;
  while (at < end) {
    const here = classAt(at);
    if (((1 << (here & 7)) & set) === 0) return at;
    at += here >> 3;
  }
  return end;
}
