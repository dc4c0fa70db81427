import { ACTIVE, LOWEST, NONE, OF_BYTE, OF_BYTES, PIECES } from '../layout.ts';
import { merged } from './pairs.ts';

// Byte pair encoding of pieces of at most 27 bytes, counting only: the lowest pair is merged again and
// again, for few bytes the quickest way. What it costs is to wait for the tables. So pieces that were
// not met before wait until there are some, and then each in its turn does one merge: while one waits
// for its next pairs, the others go on.

/** Pieces that are encoded at a time: their memory stays in the processor's first cache. */
const PIECES_MAX: u32 = 32;

// A piece: what its slot is to hold, where that is, and its tokens and pairs.
/** 32 bytes: the slot's content but for the count. */
export const CONTENT = 0;
/** 32 bits each: where the slot is, where the piece begins, its bytes. */
export const SLOT = 32;
export const START = 36;
export const SIZE = 40;
/** A bit for each place that begins a token. Places that were merged into the one before stay where they are. */
const LIVE = 44;
/** How many places there were at first. */
const PLACES = 48;
/** By place; `NONE` before the first and behind the last possible one. */
const TOKENS = 64;
/** By place: the token that it and the next one merge into, and the place in the low bits. */
const KEYS = 208;
const PIECE_BYTES = 352;

const PLACE_BITS = 5;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
/** The key of a pair that merges into nothing, whatever its place. */
const NO_KEY: u32 = NONE << PLACE_BITS;

let waiting: u32 = 0;

/** Room for a piece that is to be encoded; with the last one, `encodeWaiting` is due. */
export function nextPiece(region: usize): usize {
  const piece = region + PIECES + waiting * PIECE_BYTES;
  store<u32>(region + (waiting << 2), piece, ACTIVE);
  waiting += 1;
  return piece;
}

export function isFull(): bool {
  return waiting === PIECES_MAX;
}

/** Encodes the pieces that wait and fills their slots; their tokens. */
export function encodeWaiting(region: usize): u32 {
  let active = waiting;
  waiting = 0;
  for (let i: u32 = 0; i < active; i++) begin(load<u32>(region + (i << 2), ACTIVE));
  let total: u32 = 0;
  while (active > 0) {
    let kept: u32 = 0;
    for (let i: u32 = 0; i < active; i++) {
      const piece: usize = load<u32>(region + (i << 2), ACTIVE);
      const best = lowestKey(piece);
      if (best >= NO_KEY) {
        total += finish(piece);
      } else {
        merge(piece, best);
        store<u32>(region + (kept << 2), piece, ACTIVE);
        kept += 1;
      }
    }
    active = kept;
  }
  return total;
}

function begin(piece: usize): void {
  const size = load<u32>(piece, SIZE);
  store<u32>(piece, NONE, TOKENS - 4);
  store<u32>(piece, NONE, TOKENS + 128);
  const count = layTokens(piece, load<u32>(piece, START), size);
  const none = i32x4.splat(NO_KEY);
  v128.store(piece, none, KEYS);
  v128.store(piece, none, KEYS + 16);
  for (let i: u32 = 8; i < count; i += 4) v128.store(piece + (i << 2), none, KEYS);
  let token = load<u32>(piece, TOKENS);
  for (let i: u32 = 0; i + 1 < count; i++) {
    const next = load<u32>(piece + (i << 2), TOKENS + 4);
    store<u32>(piece + (i << 2), (merged(token, next) << PLACE_BITS) | i, KEYS);
    token = next;
  }
  store<u32>(piece, (0xffffffff as u32) >> (32 - count), LIVE);
  store<u32>(piece, count, PLACES);
}

/**
 * Lays down the tokens of the bytes, two bytes as one where that merge comes before every merge, in
 * whatever company, across the borders on both sides of them: no other could have come between.
 */
function layTokens(piece: usize, start: usize, size: u32): u32 {
  const end = start + size;
  let to = piece;
  let before: u32 = NONE;
  let at = start;
  while (at + 1 < end) {
    const border: u32 = load<u16>(at);
    const token = load<u32>(border << 2, OF_BYTES);
    const after: u32 = at + 2 < end ? load<u32>((load<u16>(at, 1) as usize) << 2, LOWEST) : NONE;
    if (token < before && token < after) {
      store<u32>(to, token, TOKENS);
      before = after;
      at += 2;
    } else {
      store<u32>(to, load<u32>((border & 0xff) << 2, OF_BYTE), TOKENS);
      before = load<u32>(border << 2, LOWEST);
      at += 1;
    }
    to += 4;
  }
  if (at < end) {
    store<u32>(to, load<u32>((load<u8>(at) as usize) << 2, OF_BYTE), TOKENS);
    to += 4;
  }
  return ((to - piece) as u32) >> 2;
}

function lowestKey(piece: usize): u32 {
  let least = i32x4.min_u(v128.load(piece, KEYS), v128.load(piece, KEYS + 16));
  const places = load<u32>(piece, PLACES);
  for (let i: u32 = 8; i < places; i += 4) {
    least = i32x4.min_u(least, v128.load(piece + (i << 2), KEYS));
  }
  least = i32x4.min_u(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, i32x4.shuffle(least, least, 1, 0, 3, 2));
  return i32x4.extract_lane(least, 0);
}

/** Merges the pair with this key and looks up the pairs on both sides of what it becomes. */
function merge(piece: usize, key: u32): void {
  const place = key & PLACE_MASK;
  const token = key >> PLACE_BITS;
  const live = load<u32>(piece, LIVE);
  const after = live & (0xfffffffe << place);
  const taken = after & (0 - after);
  const before = live & ((1 << place) - 1);
  // 32 and -1 where there is none.
  const right = ctz<u32>(after ^ taken);
  const left = 31 - clz<u32>(before);
  const here = piece + (place << 2);
  const there = piece + (left << 2);
  store<u32>(piece, live ^ taken, LIVE);
  store<u32>(here, token, TOKENS);
  store<u32>(piece + (ctz<u32>(taken) << 2), NO_KEY, KEYS);
  const next = load<u32>(piece + (right << 2), TOKENS);
  const last = load<u32>(there, TOKENS);
  store<u32>(here, (merged(token, next) << PLACE_BITS) | place, KEYS);
  store<u32>(there, (merged(last, token) << PLACE_BITS) | (left & PLACE_MASK), KEYS);
}

/** Fills the piece's slot; its tokens. */
function finish(piece: usize): u32 {
  const count = popcnt<u32>(load<u32>(piece, LIVE));
  const size = load<u32>(piece, SIZE);
  const slot: usize = load<u32>(piece, SLOT);
  const content = v128.load(piece, CONTENT);
  if (size < 8) {
    store<u64>(slot, load<u64>(piece, CONTENT) | count);
  } else if (size < 16) {
    v128.store(slot, v128.or(content, i64x2.replace_lane(i64x2.splat(0), 1, count)));
  } else {
    v128.store(slot, content);
    store<u64>(slot, load<u64>(piece, CONTENT + 16), 16);
    store<u64>(slot, load<u64>(piece, CONTENT + 24) | count, 24);
  }
  return count;
}
