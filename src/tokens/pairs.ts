import type { Merges } from './merges.ts';
import { sharedNumbers } from './shared.ts';

/** Bits of a token's number. */
export const TOKEN_BITS = 18;
/** Above all tokens: none. */
export const TOKEN_MASK = (1 << TOKEN_BITS) - 1;

/** Slots of the table of merges, for 200,000 of them. */
const PAIR_LOG = 18; // 2 MiB
const PAIR_MASK = (1 << PAIR_LOG) - 1;
/** Slots of the memory of merges. */
const KNOWN_LOG = 14; // 128 KiB
/** Numbers, of 32 bits each, of the table that rules merges out, less one. */
const MAYBE_MASK = 65536 - 1; // 256 KiB

/** Which two tokens merge into which. */
export interface PairTables {
  /** By two bytes, `first << 8 | second`: the token they merge into, or `TOKEN_MASK`. */
  readonly ofBytes: Int32Array;
  /** By the two bytes at a border, `before << 8 | after`: the lowest token that merges across it. */
  readonly lowest: Int32Array;
  /** Two numbers a slot: left and the low bits of right; the token and the rest of right. */
  readonly all: Int32Array;
  /** Bits by hash of two tokens; most pairs merge into nothing. */
  readonly maybe: Int32Array;
}

export function buildPairs({ count, halves, ofByte }: Merges): PairTables {
  const tables = {
    ofBytes: sharedNumbers(65536).fill(TOKEN_MASK),
    lowest: sharedNumbers(65536).fill(TOKEN_MASK),
    all: sharedNumbers(2 << PAIR_LOG).fill(-1),
    maybe: sharedNumbers(MAYBE_MASK + 1),
  };
  // The first and the last byte of every token so far.
  const ends = new Uint8Array(2 * count);
  ofByte.forEach((token, byte) => {
    ends.fill(byte, 2 * token, 2 * token + 2);
  });
  for (let token = 256; token < count; token++) {
    addPair(tables, token, halves[2 * token]!, halves[2 * token + 1]!, ends);
  }
  return tables;
}

function addPair(
  { ofBytes, lowest, all, maybe }: PairTables,
  token: number,
  left: number,
  right: number,
  ends: Uint8Array,
): void {
  ends[2 * token] = ends[2 * left]!;
  ends[2 * token + 1] = ends[2 * right + 1]!;
  const border = (ends[2 * left + 1]! << 8) | ends[2 * right]!;
  if (left < 256 && right < 256) ofBytes[border] = token;
  if (lowest[border] === TOKEN_MASK) lowest[border] = token;
  const hash = pairHash(left, right);
  maybe[(hash >>> 5) & MAYBE_MASK]! |= 1 << hash;
  let slot = hash >>> (32 - PAIR_LOG);
  while (all[2 * slot] !== -1) slot = (slot + 1) & PAIR_MASK;
  all[2 * slot] = left | (right << TOKEN_BITS);
  all[2 * slot + 1] = token | ((right >>> 14) << TOKEN_BITS);
}

/** Looks up merges. A place in the large table is a cache miss: two small ones stand before it. */
export class Pairs {
  readonly #all: Int32Array;
  readonly #maybe: Int32Array;
  /** The same as `all` for what was asked last. */
  readonly #known = new Int32Array(2 << KNOWN_LOG).fill(-1);

  constructor({ all, maybe }: PairTables) {
    this.#all = all;
    this.#maybe = maybe;
  }

  /** The token that two tokens merge into, or `TOKEN_MASK`, which is above all tokens. */
  merged(x: number, y: number): number {
    const hash = pairHash(x, y);
    if (((this.#maybe[(hash >>> 5) & MAYBE_MASK]! >>> hash) & 1) === 0) return TOKEN_MASK;
    const low = x | (y << TOKEN_BITS);
    const high = (y >>> 14) << TOKEN_BITS;
    const known = this.#known;
    const at = (hash >>> (32 - KNOWN_LOG)) << 1;
    const entry = known[at + 1]!;
    if (known[at] === low && ((entry ^ high) & ~TOKEN_MASK) === 0) return entry & TOKEN_MASK;
    const token = this.#find(hash, low, high);
    known[at] = low;
    known[at + 1] = high | token;
    return token;
  }

  #find(hash: number, low: number, high: number): number {
    const all = this.#all;
    let slot = hash >>> (32 - PAIR_LOG);
    for (;;) {
      const first = all[2 * slot]!;
      if (first === -1) return TOKEN_MASK;
      const entry = all[2 * slot + 1]!;
      if (first === low && ((entry ^ high) & ~TOKEN_MASK) === 0) return entry & TOKEN_MASK;
      slot = (slot + 1) & PAIR_MASK;
    }
  }
}

export function pairHash(x: number, y: number): number {
  const hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca6b);
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
