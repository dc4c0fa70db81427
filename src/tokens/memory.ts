import type { PieceCounter } from './bpe.ts';

// Pieces are looked up whole before they are encoded, small ones in two places, others in one, where
// the last one stays. The tables are as large as is of use and as dense as can be: what a look-up
// costs is its cache miss, and many misses at a time cost little more than one. So pieces are put in
// line while a text is split, and then looked up one right after another.
const SMALL_LOG = 17; // 2 MiB
const MIDDLE_LOG = 17; // 2 MiB
const LARGE_LOG = 16; // 2 MiB

/** The most bytes of text whose pieces wait at a time; one piece may go on beyond them. */
export const LINE_BYTES = 4096; // 4 KiB

/** By length of a piece of up to 15 bytes: what belongs to it of its first four bytes, and so on. */
export const FIRST = Int32Array.from({ length: 16 }, (_, length) => lowBytes(length));
export const SECOND = Int32Array.from({ length: 16 }, (_, length) => lowBytes(length - 4));
const THIRD = Int32Array.from({ length: 16 }, (_, length) => lowBytes(length - 8));
const FOURTH = Int32Array.from({ length: 16 }, (_, length) => lowBytes(length - 12));

/** The counts of pieces met before, and the pieces in line to be counted. */
export class PieceMemory {
  readonly #pieces: PieceCounter;
  /** Pieces of 3 to 7 bytes in line, two numbers each: 7 bytes, and the length in the highest. */
  readonly smallLine = new Int32Array(LINE_BYTES);
  /** Longer pieces in line, two numbers each: where they begin and end. */
  readonly longLine = new Int32Array(LINE_BYTES / 4 + 2);
  /** Pieces of up to 7 bytes, two places side by side: 7 bytes, the length in 3 bits, the count in 5. */
  readonly #small = new Int32Array(4 << SMALL_LOG);
  /** Pieces of 8 to 15 bytes: 15 bytes, the length in 4 bits, the count in 4. */
  readonly #middle = new Int32Array(4 << MIDDLE_LOG);
  /** Pieces of 16 to 27 bytes: 27 bytes, the length, the count. */
  readonly #large = new Int32Array(8 << LARGE_LOG);
  /** One small piece, to be encoded, and what is behind it. */
  readonly #piece = new Uint8Array(16);
  readonly #pieceView = new DataView(this.#piece.buffer);

  constructor(pieces: PieceCounter) {
    this.#pieces = pieces;
  }

  /** Tokens of the small pieces in line, `numbers` numbers. */
  countSmall(numbers: number): number {
    const line = this.smallLine;
    const table = this.#small;
    let total = 0;
    for (let i = 0; i < numbers; i += 2) {
      const a = line[i]!;
      const b = line[i + 1]!;
      const hash = mix(Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b));
      const slot = (hash >>> (32 - SMALL_LOG)) << 2;
      const known = table[slot + 1]!;
      if (table[slot] === a && ((known ^ b) & 0x07ffffff) === 0) total += known >>> 27;
      else total += this.#secondSmall(a, b, slot);
    }
    return total;
  }

  #secondSmall(a: number, b: number, slot: number): number {
    const table = this.#small;
    const known = table[slot + 3]!;
    if (table[slot + 2] === a && ((known ^ b) & 0x07ffffff) === 0) {
      table[slot + 2] = table[slot]!;
      table[slot + 3] = table[slot + 1]!;
      table[slot] = a;
      table[slot + 1] = known;
      return known >>> 27;
    }
    this.#pieceView.setInt32(0, a, true);
    this.#pieceView.setInt32(4, b, true);
    const count = this.#pieces.count(this.#piece, 0, b >>> 24);
    table[slot + 2] = a;
    table[slot + 3] = b | (count << 27);
    return count;
  }

  /** Tokens of the longer pieces in line, `numbers` numbers, which point into `bytes`. */
  countLong(numbers: number, bytes: Uint8Array, view: DataView): number {
    const line = this.longLine;
    let total = 0;
    for (let i = 0; i < numbers; i += 2) {
      const at = line[i]!;
      const end = line[i + 1]!;
      const length = end - at;
      if (length < 16) total += this.#countMiddle(at, length, bytes, view);
      else if (length < 28) total += this.#countLarge(at, length, bytes, view);
      else total += this.#pieces.count(bytes, at, end);
    }
    return total;
  }

  #countMiddle(at: number, length: number, bytes: Uint8Array, view: DataView): number {
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true) & THIRD[length]!;
    const d = (view.getInt32(at + 12, true) & FOURTH[length]!) | (length << 24);
    const half = mix(Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b));
    const hash = mix(half ^ Math.imul(c, 0xc2b2ae35) ^ Math.imul(d, 0x27d4eb2f));
    const table = this.#middle;
    const slot = (hash >>> (32 - MIDDLE_LOG)) << 2;
    const known = table[slot + 3]!;
    if (
      table[slot] === a &&
      table[slot + 1] === b &&
      table[slot + 2] === c &&
      ((known ^ d) & 0x0fffffff) === 0
    ) {
      return known >>> 28;
    }
    const count = this.#pieces.count(bytes, at, at + length);
    table[slot] = a;
    table[slot + 1] = b;
    table[slot + 2] = c;
    table[slot + 3] = d | (count << 28);
    return count;
  }

  #countLarge(at: number, length: number, bytes: Uint8Array, view: DataView): number {
    const table = this.#large;
    let hash = length;
    for (let word = 0; word < length >> 2; word++) {
      hash = mix(hash ^ Math.imul(view.getInt32(at + 4 * word, true), 0x9e3779b1));
    }
    const rest = view.getInt32(at + (length & ~3), true) & FIRST[length & 3]!;
    hash = mix(hash ^ Math.imul(rest, 0x85ebca6b));
    const slot = (hash >>> (32 - LARGE_LOG)) << 3;
    const words = length >> 2;
    let word = 0;
    while (word < words && table[slot + word] === view.getInt32(at + 4 * word, true)) word += 1;
    // The last number holds the length and the count, and up to three bytes where they fit no other.
    const tail = words === 6 ? (length << 24) | rest : length << 24;
    const same = word === words && (words === 6 || table[slot + words] === rest);
    if (same && table[slot + 6] === tail) return table[slot + 7]!;
    const count = this.#pieces.count(bytes, at, at + length);
    for (word = 0; word < words; word++) table[slot + word] = view.getInt32(at + 4 * word, true);
    table[slot + words] = rest;
    table[slot + 6] = tail;
    table[slot + 7] = count;
    return count;
  }
}

function lowBytes(bytes: number): number {
  return bytes < 4 ? (1 << (8 * Math.max(bytes, 0))) - 1 : -1;
}

function mix(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
