import { GOES_ON } from '../layout.ts';
import { BLANK_SYMBOLS, CAPITALS, PREFIX_CAPITALS, SYMBOLS, WHITE } from '../shapes.ts';

// Pieces of ASCII by 16 bytes at once. What is longer, or goes on in other scripts, needs a closer look.

/** The end of the piece at `at`, whose shape words.ts told; 0 to look closer. */
export function asciiEnd(shape: u32, at: usize, end: usize, slash: u32): usize {
  if (shape === SYMBOLS) return symbolsEnd(at, end, slash);
  if (shape === BLANK_SYMBOLS) return symbolsEnd(at + 1, end, slash);
  if (shape === WHITE) return whiteEnd(at, end);
  if (shape === CAPITALS) return capitalsEnd(at);
  return shape === PREFIX_CAPITALS ? capitalsEnd(at + 1) : 0;
}

function below(v: v128, first: u8, count: u8): v128 {
  return i8x16.lt_u(i8x16.sub(v, i8x16.splat(first)), i8x16.splat(count));
}

function same(v: v128, byte: u8): v128 {
  return i8x16.eq(v, i8x16.splat(byte));
}

/** A run of symbols, then line ends, and slashes where `slash` is one. */
function symbolsEnd(from: usize, end: usize, slash: u32): usize {
  const v = v128.load(from);
  const letters = below(v128.or(v, i8x16.splat(0x20)), 0x61, 26);
  const white = v128.or(same(v, 0x20), below(v, 0x09, 5));
  // The high bit of a byte that is not ASCII ends the run too.
  const others = v128.or(v128.or(letters, below(v, 0x30, 10)), v128.or(white, v));
  const run = ctz<u32>(i8x16.bitmask(others) | 0x10000);
  if (run === 0 || run === 16) return 0;
  let at = min<usize>(from + run, end);
  if (load<u8>(at) >= 0x80 || at === from) return 0;
  for (; at < end; at++) {
    const byte: u32 = load<u8>(at);
    if (byte !== 0x0a && byte !== 0x0d && byte !== slash) break;
  }
  return at;
}

/** To the last line end of a run of white space; else all of it but the character before a text. */
function whiteEnd(at: usize, end: usize): usize {
  const v = v128.load(at);
  const white = i8x16.bitmask(v128.or(same(v, 0x20), below(v, 0x09, 5)));
  const run = ctz<u32>(~white);
  if (run >= 16 || at + run >= end || load<u8>(at + run) >= 0x80) return 0;
  const lines = i8x16.bitmask(v128.or(same(v, 0x0a), same(v, 0x0d))) & ((1 << run) - 1);
  if (lines !== 0) return at + 32 - clz<u32>(lines);
  return at + (run === 1 ? 1 : run - 1);
}

/** Capitals, then small letters. */
function capitalsEnd(at: usize): usize {
  const v = v128.load(at);
  const upper = ctz<u32>(~i8x16.bitmask(below(v, 0x41, 26)));
  const lower = ctz<u32>(~(i8x16.bitmask(below(v, 0x61, 26)) >> upper));
  const to = at + upper + lower;
  return upper + lower >= 16 || load<u8>(load<u8>(to), GOES_ON) === 1 ? 0 : to;
}
