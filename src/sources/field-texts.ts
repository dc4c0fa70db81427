import { hex4, writeCode } from './json-escapes.ts';
import { firstOf, stopsIn } from './words.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const U = 0x75;
/** Replaced in one pass; by a string, each one would add a piece to a rope. */
export const DOUBLED_QUOTE = /""/g;
/** A longer field is decoded by itself. */
const SHORT_BYTES = 64;
const SLACK_BYTES = 4; // bytes are copied four at a time

/** By byte: 1 for what a string of JSON cannot hold as it is. */
const STOPS = new Uint8Array(256);
STOPS.fill(1, 0, 0x20);
STOPS[QUOTE] = STOPS[BACKSLASH] = 1;

/** By the letter behind a backslash: the byte that it stands for, or 0. */
const MEANS = new Uint8Array(256);
for (const [letter, meaning] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  MEANS[letter!.charCodeAt(0)] = meaning!.charCodeAt(0);
}

/**
 * The texts of one record's fields. A call into the decoder costs more than a short text, so short
 * ones are put side by side and decoded together; long ones are decoded each by itself, so that a
 * field that is kept keeps no more than the short ones beside it.
 */
export class FieldTexts {
  /** What has become of each field; complete once `finish` has returned. */
  readonly values: unknown[];

  #scratch = Buffer.alloc(0);
  #view = new DataView(this.#scratch.buffer);
  #used = 0;
  /** The short fields so far: which they are, and where each ends. */
  readonly #fields: Int32Array;
  readonly #ends: Int32Array;
  #count = 0;

  constructor(fields: number) {
    this.values = new Array<unknown>(fields).fill('');
    this.#fields = new Int32Array(fields);
    this.#ends = new Int32Array(fields);
  }

  /** Begins a record whose texts have at most so many bytes. */
  begin(bytes: number): void {
    this.#used = 0;
    this.#count = 0;
    if (bytes + SLACK_BYTES <= this.#scratch.length) return;
    this.#scratch = Buffer.allocUnsafeSlow(Math.max(4096, 2 * bytes + SLACK_BYTES));
    this.#view = new DataView(this.#scratch.buffer);
  }

  /** The text `data[start, end)`. */
  plain(field: number, data: Buffer, start: number, end: number): void {
    if (end - start > SHORT_BYTES) {
      this.values[field] = data.toString('utf8', start, end);
      return;
    }
    const out = this.#scratch;
    let to = this.#used;
    for (let from = start; from < end; from++) out[to++] = data[from]!;
    this.#close(field, to);
  }

  /** The same, of whose quotes each is there twice. */
  doubled(field: number, data: Buffer, start: number, end: number): void {
    if (end - start > SHORT_BYTES) {
      this.values[field] = data.toString('utf8', start, end).replace(DOUBLED_QUOTE, '"');
      return;
    }
    const out = this.#scratch;
    let to = this.#used;
    for (let from = start; from < end; from++) {
      const byte = data[from]!;
      out[to++] = byte;
      if (byte === QUOTE) from++;
    }
    this.#close(field, to);
  }

  /**
   * The inside of a string of JSON that starts at `start`. Gives where its quote ends, or -1 when that
   * is not before `limit`, when it is not JSON, or holds half of a surrogate pair, which UTF-8 does
   * not have. `view` is of `data`.
   */
  escaped(field: number, data: Buffer, view: DataView, start: number, limit: number): number {
    const out = this.#scratch;
    const into = this.#view;
    let from = start;
    let to = this.#used;
    for (;;) {
      if (from + 4 <= limit) {
        const word = view.getInt32(from, true);
        into.setInt32(to, word, true);
        const stops = stopsIn(word);
        if (stops === 0) {
          from += 4;
          to += 4;
          continue;
        }
        const before = firstOf(stops);
        from += before;
        to += before;
      } else {
        while (from < limit && STOPS[data[from]!] === 0) out[to++] = data[from++]!;
        if (from >= limit) return -1;
      }
      const byte = data[from]!;
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH || from + 2 > limit) return -1;
      const letter = data[from + 1]!;
      from += 2;
      if (letter !== U) {
        const meaning = MEANS[letter]!;
        if (meaning === 0) return -1;
        out[to++] = meaning;
        continue;
      }
      const code = hex4(data, from, limit);
      from += 4;
      if (code < 0) return -1;
      if (code < 0xd800 || code > 0xdfff) {
        to = writeCode(code, out, to);
        continue;
      }
      const low =
        data[from] === BACKSLASH && data[from + 1] === U ? hex4(data, from + 2, limit) : -1;
      if (code > 0xdbff || low < 0xdc00 || low > 0xdfff) return -1;
      from += 6;
      to = writeCode(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), out, to);
    }
    this.#close(field, to);
    return from + 1;
  }

  /** Decodes what was put side by side. */
  finish(): void {
    const used = this.#used;
    const text = this.#scratch.toString('utf8', 0, used);
    const wide = text.length !== used;
    let start = 0;
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const end = this.#ends[i]!;
      const units = end - start - (wide ? narrower(this.#scratch, start, end) : 0);
      this.values[this.#fields[i]!] = text.slice(at, at + units);
      at += units;
      start = end;
    }
  }

  #close(field: number, to: number): void {
    if (to - this.#used > SHORT_BYTES) {
      this.values[field] = this.#scratch.toString('utf8', this.#used, to);
      return;
    }
    this.#fields[this.#count] = field;
    this.#ends[this.#count++] = to;
    this.#used = to;
  }
}

/** By how much the text of these bytes is shorter than they are: UTF-16 units beside bytes. */
function narrower(data: Buffer, start: number, end: number): number {
  let less = 0;
  for (let i = start; i < end; i++) {
    const byte = data[i]!;
    if (byte < 0x80) continue;
    // Each byte behind the first of a character is one too many; four bytes are two units.
    if (byte < 0xc0) less++;
    else if (byte >= 0xf0) less--;
  }
  return less;
}
