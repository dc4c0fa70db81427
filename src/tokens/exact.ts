import { PieceCounter } from './bpe.ts';
import type { TextEncoding } from './encoder.ts';
import type { Splitter } from './split.ts';

/** Bytes kept beyond a text, so that a word can be read past its end. */
const PADDING = 32;
const MIN_BYTES = 64 * 1024; // 64 KiB
/** A buffer for a longer text is let go with the next one. */
const KEPT_BYTES = 1024 * 1024; // 1 MiB

// Pieces are looked up whole before they are encoded, in one place each; the last one stays. The
// tables are as large as is of use and as dense as can be: what a look-up costs is its cache miss.
const SMALL_LOG = 18; // 2 MiB
const MIDDLE_LOG = 17; // 2 MiB
const LARGE_LOG = 16; // 2 MiB

/** The low 0 to 4 bytes of a number. */
const LOW_BYTES = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** Exact counts of one encoding: split into pieces, each looked up or encoded. Not for two texts at once. */
export class ExactEncoding implements TextEncoding {
  readonly #pieces: PieceCounter;
  readonly #split: Splitter;
  #bytes = Buffer.alloc(MIN_BYTES);
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  readonly #pairCounts: Uint8Array;
  /** Pieces of 3 to 7 bytes: 7 bytes, the length in 3 bits, the count in 5. */
  readonly #small = new Int32Array(2 << SMALL_LOG);
  /** Pieces of 8 to 15 bytes: 15 bytes, the length in 4 bits, the count in 4. */
  readonly #middle = new Int32Array(4 << MIDDLE_LOG);
  /** Pieces of 16 to 27 bytes: 27 bytes, the length, the count. */
  readonly #large = new Int32Array(8 << LARGE_LOG);

  constructor(encoding: string, split: Splitter) {
    this.#pieces = new PieceCounter(encoding);
    this.#pairCounts = this.#pieces.pairCounts();
    this.#split = split;
  }

  countText(text: string): number {
    this.#reserve(3 * text.length);
    return this.#count(this.#bytes.write(text, 0));
  }

  countUtf8(bytes: Uint8Array, start = 0, end = bytes.length): number {
    this.#reserve(end - start);
    this.#bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return this.#count(end - start);
  }

  #reserve(size: number): void {
    const room = this.#bytes.length;
    if (size + PADDING <= room && room <= KEPT_BYTES) return;
    this.#bytes = Buffer.alloc(Math.max(size + PADDING, MIN_BYTES));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  #count(size: number): number {
    const bytes = this.#bytes;
    const split = this.#split;
    const pairCounts = this.#pairCounts;
    // Stops the splitter's fast paths, which do not look at the end.
    bytes[size] = 0;
    let total = 0;
    for (let at = 0; at < size; ) {
      const end = split(bytes, at, size);
      const length = end - at;
      if (length === 1) total += 1;
      else if (length === 2) total += pairCounts[(bytes[at]! << 8) | bytes[at + 1]!]!;
      else if (length < 8) total += this.#countSmall(at, length);
      else if (length < 16) total += this.#countMiddle(at, length);
      else if (length < 28) total += this.#countLarge(at, length);
      else total += this.#pieces.count(bytes, at, end);
      at = end;
    }
    return total;
  }

  #countSmall(at: number, length: number): number {
    const view = this.#view;
    let a = view.getInt32(at, true);
    let b = length << 24;
    if (length < 4) a &= LOW_BYTES[length]!;
    else b |= view.getInt32(at + 4, true) & LOW_BYTES[length - 4]!;
    const hash = mix(Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b));
    const table = this.#small;
    const slot = (hash >>> (32 - SMALL_LOG)) << 1;
    const known = table[slot + 1]!;
    if (table[slot] === a && ((known ^ b) & 0x07ffffff) === 0) return known >>> 27;
    const count = this.#pieces.count(this.#bytes, at, at + length);
    table[slot] = a;
    table[slot + 1] = b | (count << 27);
    return count;
  }

  #countMiddle(at: number, length: number): number {
    const view = this.#view;
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    let c = view.getInt32(at + 8, true);
    let d = length << 24;
    if (length < 12) c &= LOW_BYTES[length - 8]!;
    else d |= view.getInt32(at + 12, true) & LOW_BYTES[length - 12]!;
    const hash = mix(
      mix(Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) ^
        Math.imul(c, 0xc2b2ae35) ^
        Math.imul(d, 0x27d4eb2f),
    );
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
    const count = this.#pieces.count(this.#bytes, at, at + length);
    table[slot] = a;
    table[slot + 1] = b;
    table[slot + 2] = c;
    table[slot + 3] = d | (count << 28);
    return count;
  }

  #countLarge(at: number, length: number): number {
    const view = this.#view;
    const table = this.#large;
    let hash = length;
    for (let word = 0; word < length >> 2; word++) {
      hash = mix(hash ^ Math.imul(view.getInt32(at + 4 * word, true), 0x9e3779b1));
    }
    const rest = view.getInt32(at + (length & ~3), true) & LOW_BYTES[length & 3]!;
    hash = mix(hash ^ Math.imul(rest, 0x85ebca6b));
    const slot = (hash >>> (32 - LARGE_LOG)) << 3;
    const words = length >> 2;
    let word = 0;
    while (word < words && table[slot + word] === view.getInt32(at + 4 * word, true)) word += 1;
    // The last number holds the length and the count, and up to three bytes where they fit no other.
    const tail = words === 6 ? (length << 24) | rest : length << 24;
    const same = word === words && (words === 6 || table[slot + words] === rest);
    if (same && table[slot + 6] === tail) return table[slot + 7]!;
    const count = this.#pieces.count(this.#bytes, at, at + length);
    for (word = 0; word < words; word++) table[slot + word] = view.getInt32(at + 4 * word, true);
    table[slot + words] = rest;
    table[slot + 6] = tail;
    table[slot + 7] = count;
    return count;
  }
}

function mix(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
