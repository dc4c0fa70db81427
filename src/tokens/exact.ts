import { PieceCounter } from './bpe.ts';
import type { TextEncoding } from './encoder.ts';
import type { Splitter } from './split.ts';

/** Bytes kept beyond a text, so that a word can be read past its end. */
const PADDING = 32;
/** A longer text gets a buffer for itself. */
const KEPT_BYTES = 1024 * 1024; // 1 MiB

const SHORT_LOG = 18;
const LONG_LOG = 16;

const MASKS = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** Exact counts of one encoding: split into pieces, each looked up or encoded. */
export class ExactEncoding implements TextEncoding {
  readonly #pieces: PieceCounter;
  readonly #split: Splitter;
  #bytes = Buffer.alloc(64 * 1024);
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  /** Counts of pieces of 2 to 11 bytes: 11 bytes, the length, the count. */
  readonly #short = new Int32Array(4 << SHORT_LOG);
  /** Counts of pieces of 12 to 27 bytes. */
  readonly #long = new Int32Array(8 << LONG_LOG);

  constructor(encoding: string, split: Splitter) {
    this.#pieces = new PieceCounter(encoding);
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
    if (size + PADDING <= this.#bytes.length && this.#bytes.length <= KEPT_BYTES) return;
    this.#bytes = Buffer.alloc(Math.max(size + PADDING, 64 * 1024));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  #count(size: number): number {
    const bytes = this.#bytes;
    const split = this.#split;
    // Stops the splitter's fast paths, which do not look at the end.
    bytes[size] = 0;
    let total = 0;
    for (let at = 0; at < size; ) {
      const end = split(bytes, at, size);
      const length = end - at;
      if (length === 1) total += 1;
      else if (length < 12) total += this.#countShort(at, length);
      else if (length < 28) total += this.#countLong(at, length);
      else total += this.#pieces.count(bytes, at, end);
      at = end;
    }
    return total;
  }

  #countShort(at: number, length: number): number {
    const view = this.#view;
    let a = view.getInt32(at, true);
    let b = 0;
    let c = length << 24;
    if (length <= 4) a &= MASKS[length]!;
    else {
      b = view.getInt32(at + 4, true);
      if (length <= 8) b &= MASKS[length - 4]!;
      else c |= view.getInt32(at + 8, true) & MASKS[length - 8]!;
    }
    const table = this.#short;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const slot = (hash >>> (32 - SHORT_LOG)) << 2;
    if (table[slot] === a && table[slot + 1] === b && table[slot + 2] === c) {
      return table[slot + 3]!;
    }
    const count = this.#pieces.count(this.#bytes, at, at + length);
    table[slot] = a;
    table[slot + 1] = b;
    table[slot + 2] = c;
    table[slot + 3] = count;
    return count;
  }

  #countLong(at: number, length: number): number {
    const view = this.#view;
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    let d = 0;
    let e = 0;
    let f = 0;
    let g = length << 24;
    if (length <= 16) d = view.getInt32(at + 12, true) & MASKS[length - 12]!;
    else {
      d = view.getInt32(at + 12, true);
      if (length <= 20) e = view.getInt32(at + 16, true) & MASKS[length - 16]!;
      else {
        e = view.getInt32(at + 16, true);
        if (length <= 24) f = view.getInt32(at + 20, true) & MASKS[length - 20]!;
        else {
          f = view.getInt32(at + 20, true);
          g |= view.getInt32(at + 24, true) & MASKS[length - 24]!;
        }
      }
    }
    const table = this.#long;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ Math.imul(d, 0x27d4eb2f);
    hash ^= Math.imul(e, 0x165667b1) ^ Math.imul(f, 0x9e3779b1) ^ Math.imul(g, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const slot = (hash >>> (32 - LONG_LOG)) << 3;
    if (
      table[slot] === a &&
      table[slot + 1] === b &&
      table[slot + 2] === c &&
      table[slot + 3] === d &&
      table[slot + 4] === e &&
      table[slot + 5] === f &&
      table[slot + 6] === g
    ) {
      return table[slot + 7]!;
    }
    const count = this.#pieces.count(this.#bytes, at, at + length);
    table[slot] = a;
    table[slot + 1] = b;
    table[slot + 2] = c;
    table[slot + 3] = d;
    table[slot + 4] = e;
    table[slot + 5] = f;
    table[slot + 6] = g;
    table[slot + 7] = count;
    return count;
  }
}
