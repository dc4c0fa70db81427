import {
  GOES_ON,
  HALVES,
  KINDS,
  LINE_BYTES,
  LONG_LINE,
  OF_BYTE,
  PAIR_COUNTS,
  SECONDS,
  SHAPES,
  SMALL_LINE,
  STARTS,
  TEXT,
} from '../layout.ts';
import { asciiEnd } from './ascii.ts';
import { COUNT_BITS, countLines } from './memory.ts';
import { buildPairs } from './pairs.ts';
import { splitCl100k, splitO200k } from './split.ts';

/** The ends of the lines of pieces that were filled last, and where the text goes on. */
let smallEnd: usize = 0;
let longEnd: usize = 0;
let next: usize = 0;

/** Unpacks `data/<name>.bin`, which lies at `file`, and lays out the tables of merges; its tokens. */
export function build(file: usize, ends: usize): u32 {
  const tokens = load<u32>(file);
  for (let rank: u32 = 0; rank < 256; rank++) {
    store<u32>((load<u8>(file + rank, 4) as usize) << 2, rank, OF_BYTE);
  }
  const merges = tokens - 256;
  const lefts = file + 260;
  const rights = lefts + 2 * merges;
  const highs = rights + 2 * merges;
  for (let i: u32 = 0; i < merges; i++) {
    const high = (load<u8>(highs + (i >> 1)) as u32) >> (4 * (i & 1));
    store<u32>((256 + i) << 3, load<u16>(lefts + 2 * i) | ((high & 3) << 16), HALVES);
    store<u32>((256 + i) << 3, load<u16>(rights + 2 * i) | ((high & 12) << 14), HALVES + 4);
  }
  buildPairs(tokens, ends);
  return tokens;
}

/** Tokens of the `size` bytes of text in a region. */
export function count(region: usize, size: u32, stack: usize, dead: usize, cl100k: bool): u32 {
  const end = region + TEXT + size;
  // Stops the splitters, which look beyond.
  store<u64>(end, 0);
  let total: u32 = 0;
  for (let at = region + TEXT; at < end; at = next) {
    total += line(region, at, min<usize>(at + LINE_BYTES, end), end, cl100k);
    total += countLines(region, smallEnd, longEnd, stack, dead);
  }
  return total;
}

/** Splits from `start` until a piece ends at `stop` or beyond, puts pieces in line and counts the shortest. */
function line(region: usize, start: usize, stop: usize, end: usize, cl100k: bool): u32 {
  const slash = cl100k ? 0x0a : 0x2f;
  const fold = i8x16.splat(cl100k ? 0x20 : 0);
  let small = region + SMALL_LINE;
  let long = region + LONG_LINE;
  let total: u32 = 0;
  let at = start;
  while (at < stop) {
    const four = load<u32>(at);
    const first = four & 0xff;
    const second = (four >> 8) & 0xff;
    // A bit for each byte that is no small letter and so ends a word; the first two may begin one.
    let other = notLower(at, fold);
    let ends = other & ~((load<u8>(first, STARTS) & load<u8>(second, SECONDS)) as u32);
    let to = at;
    if (ends === 0) {
      do {
        to += 16;
        ends = notLower(to, fold);
      } while (ends === 0);
      // The byte before is a small letter, or one of the first two of 16.
      other = 0;
    }
    const bits = ctz<u32>(ends);
    to += bits;
    const word = to !== at && (((other << 1) >> bits) & 1) === 0;
    if (!word || load<u8>(load<u8>(to), GOES_ON) === 1) {
      const third = (four >> 16) & 0xff;
      const kinds =
        ((load<u8>(first, KINDS) as u32) << 6) |
        ((load<u8>(second, KINDS) as u32) << 3) |
        (load<u8>(third, KINDS) as u32);
      const shape: u32 = load<u8>(kinds, SHAPES);
      if (shape - 1 < 3) {
        total += shape === 2 ? load<u8>(four & 0xffff, PAIR_COUNTS) : 1;
        at += shape;
        continue;
      }
      to = asciiEnd(shape, at, end, slash);
      if (to === 0) to = cl100k ? splitCl100k(at, end) : splitO200k(at, end);
    }
    const size = (to - at) as u32;
    if (size < 3) {
      total += size === 1 ? 1 : load<u8>(four & 0xffff, PAIR_COUNTS);
    } else if (size < 8) {
      store<u64>(small, (load<u64>(at) << (64 - 8 * size)) | ((size as u64) << COUNT_BITS));
      small += 8;
    } else {
      store<u32>(long, at);
      store<u32>(long, size, 4);
      long += 8;
    }
    at = to;
  }
  next = at;
  smallEnd = small;
  longEnd = long;
  return total;
}

/** A bit for each of 16 bytes that is not in a-z. */
function notLower(at: usize, fold: v128): u32 {
  const letters = i8x16.sub(v128.or(v128.load(at), fold), i8x16.splat(0x61));
  return i8x16.bitmask(i8x16.gt_u(letters, i8x16.splat(25)));
}
