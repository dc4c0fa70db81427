import {
  LARGE,
  LARGE_LOG,
  LONG_LINE,
  MIDDLE,
  MIDDLE_LOG,
  PIECE,
  SMALL,
  SMALL_LINE,
  SMALL_LOG,
} from '../layout.ts';
import { countLong } from './long.ts';
import { countShort, SHORT } from './merge.ts';
import { spread } from './pairs.ts';

// Pieces are looked up whole before they are encoded, small ones in two places, others in one, where
// the last one stays. What a look-up costs is its cache miss, and many misses at a time cost little
// more than one. So pieces are put in line while a text is split, and then looked up one right after
// another.

/** Of a small piece: its bytes in the highest, the count in the low five bits, its length above. */
export const COUNT_BITS = 5;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/** Tokens of the small pieces in line up to `end`, their counts 0. */
export function countSmalls(region: usize, end: usize): u32 {
  let total: u32 = 0;
  for (let at = region + SMALL_LINE; at < end; at += 8) {
    const key = load<u64>(at);
    const slot = region + SMALL + (((spread(key) >> (64 - SMALL_LOG)) as usize) << 4);
    const known = load<u64>(slot) ^ key;
    // The same but for the count.
    total += known <= COUNT_MASK ? (known as u32) : secondSmall(region, key, slot);
  }
  return total;
}

function secondSmall(region: usize, key: u64, slot: usize): u32 {
  const second = load<u64>(slot, 8);
  const known = second ^ key;
  if (known <= COUNT_MASK) {
    store<u64>(slot, load<u64>(slot), 8);
    store<u64>(slot, second);
    return known as u32;
  }
  const size = (key >> COUNT_BITS) as u32 & 7;
  const piece = region + PIECE;
  store<u64>(piece, key);
  const count = countShort(region, piece + 8 - size, piece + 8);
  store<u64>(slot, key | count, 8);
  return count;
}

/** Tokens of the longer pieces in line up to `end`. */
export function countLongs(region: usize, end: usize, stack: usize, dead: usize): u32 {
  let total: u32 = 0;
  for (let at = region + LONG_LINE; at < end; at += 8) {
    const start: usize = load<u32>(at);
    const size: u32 = load<u32>(at, 4);
    if (size < 16) total += countMiddle(region, start, size);
    else if (size < 28) total += countLarge(region, start, size);
    else if (size <= SHORT) total += countShort(region, start, start + size);
    else total += countLong(region, start, size, stack, dead);
  }
  return total;
}

function countMiddle(region: usize, start: usize, size: u32): u32 {
  const low = load<u64>(start);
  // The length and the count are in the lowest byte.
  const high =
    ((load<u64>(start, 8) & (((1 as u64) << (8 * (size - 8))) - 1)) << 8) | ((size as u64) << 4);
  const hash = spread(low ^ rotl<u64>(spread(high), 29));
  const slot = region + MIDDLE + (((hash >> (64 - MIDDLE_LOG)) as usize) << 4);
  const known = load<u64>(slot, 8) ^ high;
  if (load<u64>(slot) === low && known < 16) return known as u32;
  const count = countShort(region, start, start + size);
  store<u64>(slot, low);
  store<u64>(slot, high | count, 8);
  return count;
}

function countLarge(region: usize, start: usize, size: u32): u32 {
  const first = load<u64>(start);
  const second = load<u64>(start, 8);
  const over = size - 16;
  // What is beyond 16 bytes, or the last bytes of those again; of the last, only the length and count are its own.
  const third = load<u64>(start + size - 8);
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
  const count = countShort(region, start, start + size);
  store<u64>(slot, first);
  store<u64>(slot, second, 8);
  store<u64>(slot, third, 16);
  store<u64>(slot, tail | count, 24);
  return count;
}
