import { LongPieces } from './long.ts';
import { Pairs, TOKEN_MASK } from './pairs.ts';
import type { EncodingTables } from './tables.ts';

/** The most bytes of a piece that is merged as its encoding says. */
const SHORT = 32;
const PLACE_BITS = 5;
/** The key of a pair that merges into nothing, whatever its place. */
const NO_KEY = TOKEN_MASK << PLACE_BITS;

/** Byte pair encoding of one piece of text, counting only. */
export class PieceCounter {
  readonly #ofByte: Int32Array;
  readonly #ofBytes: Int32Array;
  readonly #pairs: Pairs;
  readonly #tokens = new Int32Array(SHORT);
  /** By place: the token that it and the next one merge into, and the place in the low bits. */
  readonly #keys = new Int32Array(SHORT);
  readonly #long: LongPieces;

  constructor(tables: EncodingTables) {
    this.#ofByte = tables.merges.ofByte;
    this.#ofBytes = tables.pairs.ofBytes;
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

  /** Tokens of `bytes[start, end)`, one piece of at least one byte. */
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
    const ofByte = this.#ofByte;
    const ofBytes = this.#ofBytes;
    const tokens = this.#tokens;
    const keys = this.#keys;
    const pairs = this.#pairs;
    const last = end - start - 1;
    let best = NO_KEY;
    let byte = bytes[start]!;
    for (let i = 0; i < last; i++) {
      const next = bytes[start + i + 1]!;
      const key = (ofBytes[(byte << 8) | next]! << PLACE_BITS) | i;
      tokens[i] = ofByte[byte]!;
      keys[i] = key;
      best = lower(best, key);
      byte = next;
    }
    tokens[last] = ofByte[byte]!;
    keys[last] = NO_KEY;
    let count = last + 1;
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
}

function lower(x: number, y: number): number {
  const difference = y - x;
  return x + (difference & (difference >> 31));
}
