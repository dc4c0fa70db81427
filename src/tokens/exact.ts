import { PieceCounter } from './bpe.ts';
import type { TextEncoding } from './encoder.ts';
import { type Splitter, splitCl100k, splitO200k } from './split.ts';
import { cl100kWords, kinds, o200kWords, type WordRules } from './words.ts';

/** Bytes kept beyond a text, so that a word can be read past its end. */
const PADDING = 32;
const MIN_BYTES = 64 * 1024; // 64 KiB
/** A buffer for a longer text is let go with the next one. */
const KEPT_BYTES = 1024 * 1024; // 1 MiB

// Pieces are looked up whole before they are encoded, small ones in two places, others in one, where
// the last one stays. The tables are as large as is of use and as dense as can be: what a look-up
// costs is its cache miss.
const SMALL_LOG = 17; // 2 MiB
const MIDDLE_LOG = 17; // 2 MiB
const LARGE_LOG = 16; // 2 MiB

/** The low 0 to 4 bytes of a number. */
const LOW_BYTES = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** A new counter of an encoding, with memories of its own. */
export function exactEncoding(name: 'o200k_base' | 'cl100k_base'): ExactEncoding {
  return name === 'o200k_base'
    ? new ExactEncoding(name, splitO200k, o200kWords)
    : new ExactEncoding(name, splitCl100k, cl100kWords);
}

/** Exact counts of one encoding: split into pieces, each looked up or encoded. Not for two texts at once. */
export class ExactEncoding implements TextEncoding {
  readonly #pieces: PieceCounter;
  readonly #split: Splitter;
  readonly #words: WordRules;
  #bytes = Buffer.alloc(MIN_BYTES);
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  readonly #pairCounts: Uint8Array;
  /** Pieces of up to 7 bytes, two places side by side: 7 bytes, the length in 3 bits, the count in 5. */
  readonly #small = new Int32Array(4 << SMALL_LOG);
  /** Pieces of 8 to 15 bytes: 15 bytes, the length in 4 bits, the count in 4. */
  readonly #middle = new Int32Array(4 << MIDDLE_LOG);
  /** Pieces of 16 to 27 bytes: 27 bytes, the length, the count. */
  readonly #large = new Int32Array(8 << LARGE_LOG);

  constructor(encoding: string, split: Splitter, words: WordRules) {
    this.#pieces = new PieceCounter(encoding);
    this.#pairCounts = this.#pieces.pairCounts();
    this.#split = split;
    this.#words = words;
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
    const view = this.#view;
    const { fold, starts, seconds, goesOn, single } = this.#words;
    // Stops the splitters, which look one byte beyond.
    bytes[size] = 0;
    let total = 0;
    for (let at = 0; at < size; ) {
      const a = view.getInt32(at, true);
      // The high bit of each byte that ends a word; the lowest of them counts.
      let other = notLower(a | fold);
      let ends = other & ~(starts[a & 0xff]! & seconds[(a >>> 8) & 0xff]!);
      let next = at;
      while (ends === 0) {
        next += 4;
        other = notLower(view.getInt32(next, true) | fold);
        ends = other;
      }
      const bits = (31 - Math.clz32(ends & -ends)) & 24;
      const end = next + (bits >> 3);
      if (
        (bits === 0 ? next !== at : ((other >>> (bits - 1)) & 1) === 0) &&
        goesOn[bytes[end]!] === 0
      ) {
        const length = end - at;
        if (length < 8) {
          const last = (1 << bits) - 1;
          const b = next === at ? 0 : view.getInt32(next, true) & last;
          total += this.#lookUpSmall(at, length, next === at ? a & last : a, b | (length << 24));
        } else {
          total += this.#countPiece(at, end);
        }
        at = end;
        continue;
      }
      if (single[(kinds[a & 0xff]! << 3) | kinds[(a >>> 8) & 0xff]!] === 1) {
        total += 1;
        at += 1;
        continue;
      }
      const cut = this.#split(bytes, at, size);
      total += this.#countPiece(at, cut);
      at = cut;
    }
    return total;
  }

  #countPiece(at: number, end: number): number {
    const bytes = this.#bytes;
    const length = end - at;
    if (length === 1) return 1;
    if (length === 2) return this.#pairCounts[(bytes[at]! << 8) | bytes[at + 1]!]!;
    if (length < 8) return this.#countSmall(at, length);
    if (length < 16) return this.#countMiddle(at, length);
    if (length < 28) return this.#countLarge(at, length);
    return this.#pieces.count(bytes, at, end);
  }

  #countSmall(at: number, length: number): number {
    const view = this.#view;
    let a = view.getInt32(at, true);
    let b = length << 24;
    if (length < 4) a &= LOW_BYTES[length]!;
    else b |= view.getInt32(at + 4, true) & LOW_BYTES[length - 4]!;
    return this.#lookUpSmall(at, length, a, b);
  }

  #lookUpSmall(at: number, length: number, a: number, b: number): number {
    const hash = mix(Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b));
    const table = this.#small;
    const slot = (hash >>> (32 - SMALL_LOG)) << 2;
    const known = table[slot + 1]!;
    if (table[slot] === a && ((known ^ b) & 0x07ffffff) === 0) return known >>> 27;
    return this.#secondSmall(at, length, a, b, slot);
  }

  #secondSmall(at: number, length: number, a: number, b: number, slot: number): number {
    const table = this.#small;
    const known = table[slot + 3]!;
    if (table[slot + 2] === a && ((known ^ b) & 0x07ffffff) === 0) {
      table[slot + 2] = table[slot]!;
      table[slot + 3] = table[slot + 1]!;
      table[slot] = a;
      table[slot + 1] = known;
      return known >>> 27;
    }
    const count = this.#pieces.count(this.#bytes, at, at + length);
    table[slot + 2] = a;
    table[slot + 3] = b | (count << 27);
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

/** The high bit of each of four bytes that is not in a-z. */
function notLower(four: number): number {
  const low = four & 0x7f7f7f7f;
  return ~((low + 0x1f1f1f1f) & ~(low + 0x05050505) & ~four) & 0x80808080;
}
