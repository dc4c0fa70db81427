import {
  LARGE,
  LARGE_LOG,
  LONG_LINE,
  MIDDLE,
  MIDDLE_LOG,
  SMALL,
  SMALL_LINE,
  SMALL_LOG,
} from '../layout.ts';
import { CONTENT, encodeWaiting, isFull, nextPiece, SIZE, SLOT, START } from './encode.ts';
import { countLong } from './long.ts';
import { spread } from './pairs.ts';

// Pieces are looked up whole before they are encoded, small ones in two places, others in one, where
// the last one stays. What a look-up costs is its cache miss, and many misses at a time cost little
// more than one. So pieces are put in line while a text is split, and then looked up one right after
// another. One that was not met before takes its slot with a count of 0 and waits to be encoded; the
// same once more goes back in line.

/** Of a small piece: its bytes in the highest, the count in the low five bits, its length above. */
export const COUNT_BITS = 5;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/** In the place of a count: the piece waits to be encoded. A count of 0: it does already. */
const WAITS: u32 = 0xffff;

/** The ends of the lines. */
let smallEnd: usize = 0;
let longEnd: usize = 0;

/** Tokens of the pieces in line up to these ends. */
export function countLines(
  region: usize,
  smalls: usize,
  longs: usize,
  stack: usize,
  dead: usize,
): u32 {
  smallEnd = smalls;
  longEnd = longs;
  let total: u32 = 0;
  do {
    total += countSmalls(region) + countLongs(region, stack, dead);
    total += encodeWaiting(region);
  } while (smallEnd !== region + SMALL_LINE || longEnd !== region + LONG_LINE);
  return total;
}

function countSmalls(region: usize): u32 {
  const end = smallEnd;
  let again = region + SMALL_LINE;
  let total: u32 = 0;
  for (let at = again; at < end; at += 8) {
    const key = load<u64>(at);
    const slot = region + SMALL + (((spread(key) >> (64 - SMALL_LOG)) as usize) << 4);
    const first = load<u64>(slot);
    // The same but for the count.
    if ((first ^ key) <= COUNT_MASK) {
      total += (first ^ key) as u32;
      continue;
    }
    const second = load<u64>(slot, 8);
    if (second === key) {
      store<u64>(again, key);
      again += 8;
    } else if ((second ^ key) <= COUNT_MASK) {
      store<u64>(slot, first, 8);
      store<u64>(slot, second);
      total += (second ^ key) as u32;
    } else {
      const size = ((key >> COUNT_BITS) as u32) & 7;
      const piece = nextPiece(region);
      store<u64>(slot, key, 8);
      store<u64>(piece, key, CONTENT);
      store<u32>(piece, slot + 8, SLOT);
      store<u32>(piece, piece + CONTENT + 8 - size, START);
      store<u32>(piece, size, SIZE);
      if (isFull()) total += encodeWaiting(region);
    }
  }
  smallEnd = again;
  return total;
}

function countLongs(region: usize, stack: usize, dead: usize): u32 {
  const end = longEnd;
  let again = region + LONG_LINE;
  let total: u32 = 0;
  for (let at = again; at < end; at += 8) {
    const start: usize = load<u32>(at);
    const size: u32 = load<u32>(at, 4);
    if (size > 27) {
      total += countLong(region, start, size, stack, dead);
      continue;
    }
    const count = size < 16 ? countMiddle(region, start, size) : countLarge(region, start, size);
    if (count === 0) {
      store<u32>(again, start);
      store<u32>(again, size, 4);
      again += 8;
    } else if (count !== WAITS) {
      total += count;
    } else if (isFull()) {
      total += encodeWaiting(region);
    }
  }
  longEnd = again;
  return total;
}

function countMiddle(region: usize, start: usize, size: u32): u32 {
  const low = load<u64>(start);
  // The length and the count are in the lowest byte.
  const rest = load<u64>(start, 8) & (((1 as u64) << (8 * (size - 8))) - 1);
  const high = (rest << 8) | ((size as u64) << 4);
  const hash = spread(low ^ rotl<u64>(spread(high), 29));
  const slot = region + MIDDLE + (((hash >> (64 - MIDDLE_LOG)) as usize) << 4);
  const known = load<u64>(slot, 8) ^ high;
  if (load<u64>(slot) === low && known < 16) return known as u32;
  const piece = waitingPiece(region, slot, start, size);
  store<u64>(slot, low);
  store<u64>(slot, high, 8);
  store<u64>(piece, low, CONTENT);
  store<u64>(piece, high, CONTENT + 8);
  return WAITS;
}

function countLarge(region: usize, start: usize, size: u32): u32 {
  const first = load<u64>(start);
  const second = load<u64>(start, 8);
  // The last 8 bytes, and of those between as many as there are.
  const third = load<u64>(start + size - 8);
  const over = size - 16;
  const fourth = load<u32>(start, 16) & (over < 4 ? (1 << (over << 3)) - 1 : 0xffffffff);
  const hash = spread(first ^ rotl<u64>(spread(second ^ rotl<u64>(spread(third + size), 29)), 31));
  const slot = region + LARGE + (((hash >> (64 - LARGE_LOG)) as usize) << 5);
  const tail = ((fourth as u64) << 32) | (size << 8);
  const known = load<u64>(slot, 24) ^ tail;
  if (
    known < 256 &&
    load<u64>(slot) === first &&
    load<u64>(slot, 8) === second &&
    load<u64>(slot, 16) === third
  ) {
    return known as u32;
  }
  const piece = waitingPiece(region, slot, start, size);
  store<u64>(slot, first);
  store<u64>(slot, second, 8);
  store<u64>(slot, third, 16);
  store<u64>(slot, tail, 24);
  memory.copy(piece + CONTENT, slot, 32);
  return WAITS;
}

function waitingPiece(region: usize, slot: usize, start: usize, size: u32): usize {
  const piece = nextPiece(region);
  store<u32>(piece, slot, SLOT);
  store<u32>(piece, start, START);
  store<u32>(piece, size, SIZE);
  return piece;
}
