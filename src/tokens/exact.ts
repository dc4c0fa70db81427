import { PieceCounter } from './bpe.ts';
import type { TextEncoding } from './encoder.ts';
import { FIRST, LINE_BYTES, PieceMemory, SECOND } from './memory.ts';
import { type Splitter, splitCl100k, splitO200k } from './split.ts';
import { type EncodingTables, encodingTables } from './tables.ts';
import { cl100kWords, kinds, o200kWords, type WordRules } from './words.ts';

/** Bytes kept beyond a text, so that a word can be read past its end. */
const PADDING = 32;
const MIN_BYTES = 64 * 1024; // 64 KiB
/** A buffer for a longer text is let go with the next one. */
const KEPT_BYTES = 1024 * 1024; // 1 MiB

/** A new counter of an encoding, with memories of its own. */
export function exactEncoding(name: 'o200k_base' | 'cl100k_base'): ExactEncoding {
  return name === 'o200k_base'
    ? new ExactEncoding(name, splitO200k, o200kWords)
    : new ExactEncoding(name, splitCl100k, cl100kWords);
}

/** Exact counts of one encoding: split into pieces, each looked up or encoded. Not for two texts at once. */
export class ExactEncoding implements TextEncoding {
  readonly #memory: PieceMemory;
  readonly #split: Splitter;
  readonly #words: WordRules;
  #bytes = Buffer.alloc(MIN_BYTES);
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  /** Tokens of two bytes, by `second << 8 | first`. */
  readonly #pairCounts: Uint8Array;
  /** Where the last line of pieces ended, and how many numbers it put in each line. */
  #at = 0;
  #smalls = 0;
  #longs = 0;

  constructor(encoding: EncodingTables['name'], split: Splitter, words: WordRules) {
    const pieces = new PieceCounter(encodingTables(encoding));
    this.#memory = new PieceMemory(pieces);
    this.#pairCounts = pieces.pairCounts();
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
    // Stops the splitters, which look one byte beyond.
    this.#bytes[size] = 0;
    let total = 0;
    for (let at = 0; at < size; at = this.#at) {
      total += this.#line(at, Math.min(at + LINE_BYTES, size), size);
      total += this.#memory.countSmall(this.#smalls);
      total += this.#memory.countLong(this.#longs, this.#bytes, this.#view);
    }
    return total;
  }

  /** Splits from `start` until a piece ends at `stop` or beyond, puts pieces in line and counts the shortest. */
  #line(start: number, stop: number, size: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const pairCounts = this.#pairCounts;
    const { smallLine, longLine } = this.#memory;
    const { fold, starts, seconds, goesOn, shapes } = this.#words;
    let smalls = 0;
    let longs = 0;
    let total = 0;
    let at = start;
    while (at < stop) {
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
      let end = next + (bits >> 3);
      const word = bits === 0 ? next !== at : ((other >>> (bits - 1)) & 1) === 0;
      if (!word || goesOn[bytes[end]!] === 1) {
        const [first, second, third] = [a & 0xff, (a >>> 8) & 0xff, (a >>> 16) & 0xff];
        const shape = shapes[(kinds[first]! << 6) | (kinds[second]! << 3) | kinds[third]!]!;
        if (shape !== 0) {
          total += shape === 2 ? pairCounts[a & 0xffff]! : 1;
          at += shape;
          continue;
        }
        end = this.#split(bytes, at, size);
      }
      const length = end - at;
      if (length < 3) {
        total += length === 1 ? 1 : pairCounts[a & 0xffff]!;
      } else if (length < 8) {
        const b = view.getInt32(at + 4, true) & SECOND[length]!;
        smallLine[smalls] = a & FIRST[length]!;
        smallLine[smalls + 1] = b | (length << 24);
        smalls += 2;
      } else {
        longLine[longs] = at;
        longLine[longs + 1] = end;
        longs += 2;
      }
      at = end;
    }
    this.#at = at;
    this.#smalls = smalls;
    this.#longs = longs;
    return total;
  }
}

/** The high bit of each of four bytes that is not in a-z. */
function notLower(four: number): number {
  const low = four & 0x7f7f7f7f;
  return ~((low + 0x1f1f1f1f) & ~(low + 0x05050505) & ~four) & 0x80808080;
}
