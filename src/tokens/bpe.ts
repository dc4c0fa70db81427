import { LongPieces } from './long.ts';
import { Pairs, TOKEN_MASK } from './pairs.ts';
import type { EncodingTables } from './tables.ts';

/** The most bytes of a piece that is merged as its encoding says. */
const SHORT = 32;
const PLACE_BITS = 5;
/** The key of a pair that merges into nothing, whatever its place. */
const NO_KEY = TOKEN_MASK << PLACE_BITS;
/** The key of a pair that has to be looked up. */
const UNKNOWN = -1;

/** Byte pair encoding of one piece of text, counting only. */
export class PieceCounter {
  readonly #ofByte: Int32Array;
  readonly #ofBytes: Int32Array;
  readonly #lowest: Int32Array;
  readonly #pairs: Pairs;
  readonly #tokens = new Int32Array(SHORT);
  /** By place: the token that it and the next one merge into, and the place in the low bits. */
  readonly #keys = new Int32Array(SHORT);
  readonly #long: LongPieces;

  constructor(tables: EncodingTables) {
    this.#ofByte = tables.merges.ofByte;
    this.#ofBytes = tables.pairs.ofBytes;
    this.#lowest = tables.pairs.lowest;
    this.#pairs = new Pairs(tables.pairs);
    this.#long = new LongPieces(tables, this.#pairs);
  }

  /** Tokens of every piece of two bytes, by `second << 8 | first`. */
  pairCounts(): Uint8Array {
    const counts = new Uint8Array(65536);
    this.#ofBytes.forEach((token, pair) => {
      counts[((pair & 0xff) << 8) | (pair >> 8)] = token === TOKEN_MASK ? 2 : 1;
    });
    return counts;
  }

  /** Tokens of `bytes[start, end)`, one piece of at least two bytes, with two more behind it. */
  count(bytes: Uint8Array, start: number, end: number): number {
    if (end - start <= SHORT) return this.#merge(bytes, start, end);
    return this.#long.count(bytes, start, end);
  }

  /**
   * Merges the lowest pair again and again: for few bytes the quickest way. Places that were merged
   * into the one before them stay where they are, and the lowest is found without a branch on what
   * is lower: such a branch is as often foreseen wrong as right.
   */
  #merge(bytes: Uint8Array, start: number, end: number): number {
    let count = this.#mergeBytes(bytes, start, end);
    if (count === 1) return 1;
    const tokens = this.#tokens;
    const keys = this.#keys;
    const pairs = this.#pairs;
    const last = count - 1;
    let best = NO_KEY;
    for (let i = 0; i < last; i++) {
      let key = keys[i]!;
      if (key === UNKNOWN) {
        key = (pairs.merged(tokens[i]!, tokens[i + 1]!) << PLACE_BITS) | i;
        keys[i] = key;
      }
      best = lower(best, key);
    }
    keys[last] = NO_KEY;
    // A bit for each place that begins a token.
    let live = -1 >>> (SHORT - count);
    while (best < NO_KEY) {
      const place = best & (SHORT - 1);
      const token = best >>> PLACE_BITS;
      const after = live & (-2 << place);
      const taken = after & -after;
      live ^= taken;
      count -= 1;
      tokens[place] = token;
      keys[31 - Math.clz32(taken)] = NO_KEY;
      keys[place] = NO_KEY;
      const beyond = after ^ taken;
      const before = live & ((1 << place) - 1);
      const left = 31 - Math.clz32(before);
      if (before !== 0) keys[left] = NO_KEY;
      // While the two new pairs are looked up, the processor goes through the others.
      let even = NO_KEY;
      let odd = NO_KEY;
      for (let i = 0; i < last; i += 2) {
        even = lower(even, keys[i]!);
        odd = lower(odd, keys[i + 1]!);
      }
      best = lower(even, odd);
      if (beyond !== 0) {
        const right = 31 - Math.clz32(beyond & -beyond);
        const key = (pairs.merged(token, tokens[right]!) << PLACE_BITS) | place;
        keys[place] = key;
        best = lower(best, key);
      }
      if (before !== 0) {
        const key = (pairs.merged(tokens[left]!, token) << PLACE_BITS) | left;
        keys[left] = key;
        best = lower(best, key);
      }
    }
    return count;
  }

  /**
   * Lays down the tokens of the bytes, two bytes as one where that merge comes before every merge, in
   * whatever company, across the borders on both sides of them: no other could have come between.
   * The keys of two single bytes are laid down too. Looks two bytes beyond the piece.
   */
  #mergeBytes(bytes: Uint8Array, start: number, end: number): number {
    const ofByte = this.#ofByte;
    const ofBytes = this.#ofBytes;
    const lowest = this.#lowest;
    const tokens = this.#tokens;
    const keys = this.#keys;
    let count = 0;
    let before = TOKEN_MASK;
    let byte = bytes[start]!;
    let next = bytes[start + 1]!;
    let at = start;
    while (at + 1 < end) {
      const border = (byte << 8) | next;
      const merged = ofBytes[border]!;
      const beyond = bytes[at + 2]!;
      const after = at + 2 < end ? lowest[(next << 8) | beyond]! : TOKEN_MASK;
      if (merged < before && merged < after) {
        if (count > 0) keys[count - 1] = UNKNOWN;
        keys[count] = UNKNOWN;
        tokens[count++] = merged;
        before = after;
        at += 2;
        byte = beyond;
        next = bytes[at + 1]!;
      } else {
        keys[count] = (merged << PLACE_BITS) | count;
        tokens[count++] = ofByte[byte]!;
        before = lowest[border]!;
        at += 1;
        byte = next;
        next = beyond;
      }
    }
    if (at < end) tokens[count++] = ofByte[byte]!;
    return count;
  }
}

function lower(x: number, y: number): number {
  const difference = y - x;
  return x + (difference & (difference >> 31));
}
