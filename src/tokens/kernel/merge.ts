import { KEYS, LOWEST, NONE, OF_BYTE, OF_BYTES, TOKENS } from '../layout.ts';
import { merged } from './pairs.ts';

/** The most bytes of a piece that is merged as its encoding says. */
export const SHORT: u32 = 32;
const PLACE_BITS = 5;
/** The key of a pair that merges into nothing, whatever its place. */
const NO_KEY: u32 = NONE << PLACE_BITS;
/** The key of a pair that has to be looked up. */
const UNKNOWN: u32 = 0xffffffff;

function keyAt(region: usize, place: u32): u32 {
  return load<u32>(region + (place << 2), KEYS);
}

function setKey(region: usize, place: u32, key: u32): void {
  store<u32>(region + (place << 2), key, KEYS);
}

function tokenAt(region: usize, place: u32): u32 {
  return load<u32>(region + (place << 2), TOKENS);
}

function setToken(region: usize, place: u32, token: u32): void {
  store<u32>(region + (place << 2), token, TOKENS);
}

/**
 * Byte pair encoding of one piece of 2 to `SHORT` bytes, counting only: merges the lowest pair again
 * and again, for few bytes the quickest way. Places that were merged into the one before them stay
 * where they are. Looks two bytes beyond the piece.
 */
export function countShort(region: usize, start: usize, end: usize): u32 {
  let count = mergeBytes(region, start, end);
  if (count === 1) return 1;
  const last = count - 1;
  let best = NO_KEY;
  for (let i: u32 = 0; i < last; i++) {
    let key = keyAt(region, i);
    if (key === UNKNOWN) {
      key = (merged(tokenAt(region, i), tokenAt(region, i + 1)) << PLACE_BITS) | i;
      setKey(region, i, key);
    }
    best = min<u32>(best, key);
  }
  setKey(region, last, NO_KEY);
  // A bit for each place that begins a token.
  let live: u32 = (0xffffffff as u32) >> (SHORT - count);
  while (best < NO_KEY) {
    const place = best & (SHORT - 1);
    const token = best >> PLACE_BITS;
    const after = live & (0xfffffffe << place);
    const taken = after & (0 - after);
    live ^= taken;
    count -= 1;
    setToken(region, place, token);
    setKey(region, ctz<u32>(taken), NO_KEY);
    setKey(region, place, NO_KEY);
    const beyond = after ^ taken;
    const before = live & ((1 << place) - 1);
    const left = 31 - clz<u32>(before);
    if (before !== 0) setKey(region, left, NO_KEY);
    // While the two new pairs are looked up, the processor goes through the others.
    let even = NO_KEY;
    let odd = NO_KEY;
    for (let i: u32 = 0; i < last; i += 2) {
      even = min<u32>(even, keyAt(region, i));
      odd = min<u32>(odd, keyAt(region, i + 1));
    }
    best = min<u32>(even, odd);
    if (beyond !== 0) {
      const right = ctz<u32>(beyond);
      const key = (merged(token, tokenAt(region, right)) << PLACE_BITS) | place;
      setKey(region, place, key);
      best = min<u32>(best, key);
    }
    if (before !== 0) {
      const key = (merged(tokenAt(region, left), token) << PLACE_BITS) | left;
      setKey(region, left, key);
      best = min<u32>(best, key);
    }
  }
  return count;
}

/**
 * Lays down the tokens of the bytes, two bytes as one where that merge comes before every merge, in
 * whatever company, across the borders on both sides of them: no other could have come between.
 * The keys of two single bytes are laid down too.
 */
function mergeBytes(region: usize, start: usize, end: usize): u32 {
  let count: u32 = 0;
  let before: u32 = NONE;
  let at = start;
  while (at + 1 < end) {
    const border: u32 = load<u16>(at);
    const token = load<u32>(border << 2, OF_BYTES);
    const after: u32 = at + 2 < end ? load<u32>((load<u16>(at, 1) as usize) << 2, LOWEST) : NONE;
    if (token < before && token < after) {
      if (count > 0) setKey(region, count - 1, UNKNOWN);
      setKey(region, count, UNKNOWN);
      setToken(region, count, token);
      count += 1;
      before = after;
      at += 2;
    } else {
      setKey(region, count, (token << PLACE_BITS) | count);
      setToken(region, count, load<u32>((border & 0xff) << 2, OF_BYTE));
      count += 1;
      before = load<u32>(border << 2, LOWEST);
      at += 1;
    }
  }
  if (at < end) {
    setToken(region, count, load<u32>((load<u8>(at) as usize) << 2, OF_BYTE));
    count += 1;
  }
  return count;
}
