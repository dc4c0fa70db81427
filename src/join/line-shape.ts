import {
  COLON,
  MINUS,
  NINE,
  QUOTE,
  skipBlanks,
  skipNumber,
  skipString,
  ZERO,
} from './json-bytes.ts';

const STRING = 1;
const NUMBER = 2;

/** Lines in a row that did not have the shape, after which it is of no use. */
const MOST_MISSES = 16;

/**
 * The shape of a whole line of JSON: its bytes with gaps for strings and numbers. A line with the
 * same bytes between its gaps, a string for each string and a number for each number, is JSON with the
 * same keys at the same places: so it need not be walked through. Values that have not changed so far
 * count as bytes between the gaps.
 */
export class LineShape {
  /** Where the gaps of the last line that matched begin and end in its buffer, by their number. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #text: Buffer;
  readonly #view: DataView;
  readonly #values: readonly Value[];
  /** The stretch of `#text` before each gap, and the one after the last; then what the gap takes. */
  #froms = new Int32Array(0);
  #tos = new Int32Array(0);
  #kinds = new Uint8Array(0);
  /** The number of the value in each gap. */
  #gaps = new Int32Array(0);
  #stretches = 0;
  /** Where each stretch of the last line lies, less where it lies in `#text`. */
  #shifts = new Int32Array(0);
  #bytes: Buffer | null = null;
  #bytesView: DataView;
  #misses = 0;

  /** The shape of `bytes[start, end)`, which is JSON. Values at `variable` (offsets) are gaps from the start on. */
  constructor(bytes: Buffer, start: number, end: number, variable: readonly number[]) {
    // The newline ends the scans.
    this.#text = Buffer.from(bytes.subarray(start, end + 1));
    this.#view = viewOf(this.#text);
    this.#bytesView = this.#view;
    this.#values = valuesOf(
      this.#text,
      variable.map((offset) => offset - start),
    );
    this.starts = new Int32Array(this.#values.length);
    this.ends = new Int32Array(this.#values.length);
    this.#compile();
  }

  /** Whether it has become of no use. */
  get worn(): boolean {
    return this.#misses > MOST_MISSES;
  }

  /** The number of the value that begins at the offset of the line it was made of; -1 for none. */
  valueAt(offset: number): number {
    return this.#values.findIndex((value) => value.start === offset);
  }

  /** Where the byte at an offset of the line it was made of, outside of gaps, lies in the last one. */
  placeOf(offset: number): number {
    for (let n = this.#stretches - 1; n > 0; n--) {
      if (offset >= this.#froms[n]!) return offset + this.#shifts[n]!;
    }
    return offset + this.#shifts[0]!;
  }

  /** Whether the line from `start` to the newline at `end` has this shape. */
  matches(bytes: Buffer, start: number, end: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#bytesView = viewOf(bytes);
    }
    const [text, view, bytesView] = [this.#text, this.#view, this.#bytesView];
    const last = this.#stretches - 1;
    let at = start;
    for (let n = 0; n <= last; n++) {
      const to = this.#tos[n]!;
      let from = this.#froms[n]!;
      if (at + to - from > end) return this.#miss(from);
      this.#shifts[n] = at - from;
      for (; from + 4 <= to && view.getInt32(from) === bytesView.getInt32(at); from += 4) at += 4;
      for (; from < to; from++) if (text[from] !== bytes[at++]) return this.#miss(from);
      if (n === last) break;
      const gap = this.#gaps[n]!;
      this.starts[gap] = at;
      if (this.#kinds[n] === NUMBER) at = skipNumber(bytes, at);
      else at = bytes[at] === QUOTE ? skipString(bytes, at) : -1;
      if (at === -1) return this.#miss(-1);
      this.ends[gap] = at;
    }
    if (at !== end) return this.#miss(-1);
    this.#misses = 0;
    return true;
  }

  /** A value that was the same so far and is another one now becomes a gap. */
  #miss(offset: number): false {
    const value = this.#values.find(({ start, end }) => start <= offset && offset <= end);
    if (value === undefined || value.variable) {
      this.#misses++;
    } else {
      value.variable = true;
      this.#compile();
    }
    return false;
  }

  #compile(): void {
    const gaps = this.#values.flatMap((value, number) =>
      value.variable ? [{ ...value, number }] : [],
    );
    this.#froms = Int32Array.from([0, ...gaps.map(({ end }) => end)]);
    this.#tos = Int32Array.from([...gaps.map(({ start }) => start), this.#text.length - 1]);
    this.#kinds = Uint8Array.from(gaps, ({ kind }) => kind);
    this.#gaps = Int32Array.from(gaps, ({ number }) => number);
    this.#stretches = gaps.length + 1;
    this.#shifts = new Int32Array(this.#stretches);
  }
}

interface Value {
  readonly kind: typeof STRING | typeof NUMBER;
  /** With the quotes of a string. */
  readonly start: number;
  readonly end: number;
  variable: boolean;
}

/** The strings and numbers among the values of a line of JSON. */
function valuesOf(text: Buffer, variable: readonly number[]): Value[] {
  const values: Value[] = [];
  for (let start = 0; start < text.length; ) {
    const byte = text[start]!;
    const isNumber = byte === MINUS || (byte >= ZERO && byte <= NINE);
    if (byte !== QUOTE && !isNumber) {
      start++;
      continue;
    }
    const end = isNumber ? skipNumber(text, start) : skipString(text, start);
    const isKey = !isNumber && text[skipBlanks(text, end)] === COLON;
    const kind = isNumber ? NUMBER : STRING;
    if (!isKey) values.push({ kind, start, end, variable: variable.includes(start) });
    start = end;
  }
  return values;
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
