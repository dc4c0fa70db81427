import {
  GROUPS_LOG,
  HALVES,
  LOWEST,
  MAYBE,
  MAYBE_LOG,
  NONE,
  OF_BYTE,
  OF_BYTES,
  PAIR_COUNTS,
  PAIRS,
  PAIRS_LOG,
  PLACES,
  TOKEN_BITS,
} from '../layout.ts';

const SPREAD: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
/** Of a slot: the key's bits. The merged token is above them. */
const KEY_BITS = 2 * TOKEN_BITS + 1;
const KEY_MASK: u64 = ((1 as u64) << KEY_BITS) - 1;

/** Two tokens, and a bit that tells them from a slot that was never written to. */
export function pairKey(left: u32, right: u32): u64 {
  return (left as u64) | ((right as u64) << TOKEN_BITS) | ((1 as u64) << (2 * TOKEN_BITS));
}

/** Its highest bits are its best. */
export function spread(key: u64): u64 {
  return key * SPREAD;
}

/** Lays out the tables of merges, once `HALVES`, `OF_BYTE` and `PLACES` are there. `ends` is room for two bytes a token. */
export function buildPairs(tokens: u32, ends: usize): void {
  memory.fill(PAIR_COUNTS, 2, 65536);
  for (let i: usize = 0; i < 65536; i++) {
    store<u32>(i << 2, NONE, OF_BYTES);
    store<u32>(i << 2, NONE, LOWEST);
  }
  for (let byte: u32 = 0; byte < 256; byte++) {
    store<u16>(ends + (load<u32>(byte << 2, OF_BYTE) << 1), byte | (byte << 8));
  }
  for (let token: u32 = 256; token < tokens; token++) {
    const left = load<u32>(token << 3, HALVES);
    const right = load<u32>(token << 3, HALVES + 4);
    const begin: u32 = load<u8>(ends + (left << 1));
    const before: u32 = load<u8>(ends + (left << 1), 1);
    const after: u32 = load<u8>(ends + (right << 1));
    const last: u32 = load<u8>(ends + (right << 1), 1);
    store<u16>(ends + (token << 1), begin | (last << 8));
    const border = before | (after << 8);
    if (left < 256 && right < 256) {
      store<u32>(border << 2, token, OF_BYTES);
      store<u8>(border, 1, PAIR_COUNTS);
    }
    if (load<u32>(border << 2, LOWEST) === NONE) store<u32>(border << 2, token, LOWEST);
    const key = pairKey(left, right);
    const hash = spread(key);
    const bit = (hash >> (64 - MAYBE_LOG)) as u32;
    store<u32>((bit >> 5) << 2, load<u32>((bit >> 5) << 2, MAYBE) | (1 << (bit & 31)), MAYBE);
    store<u64>(placeOf(hash), key | ((token as u64) << KEY_BITS), PAIRS);
  }
}

/** Where a merge is in `PAIRS`, by the hash of its two tokens: no two are at one place. */
function placeOf(hash: u64): usize {
  const step = load<u8>((hash >> (64 - GROUPS_LOG)) as usize, PLACES) as u32;
  const first = (hash >> 30) as u32;
  const by = ((hash >> 12) as u32) | 1;
  return ((first + step * by) & ((1 << PAIRS_LOG) - 1)) << 3;
}

/**
 * The token that two tokens merge into, or `NONE`. A place in the large table is a cache miss: a small
 * one stands before it, as nearly half of the pairs that are asked for merge into nothing.
 */
export function merged(left: u32, right: u32): u32 {
  const key = pairKey(left, right);
  const hash = spread(key);
  const bit = (hash >> (64 - MAYBE_LOG)) as u32;
  const maybe = (load<u32>((bit >> 5) << 2, MAYBE) >> (bit & 31)) & 1;
  // Without a branch, which would be foreseen wrong too often: what is ruled out looks at the first place.
  const entry = load<u64>(placeOf(hash) & (0 - maybe), PAIRS);
  return select<u32>((entry >> KEY_BITS) as u32, NONE, ((entry ^ key) & KEY_MASK) === 0);
}
