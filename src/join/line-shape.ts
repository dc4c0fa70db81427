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
import { NUMBER_GAP, STRING_GAP } from './kernel/layout.ts';

/** Lines in a row that did not have the shape, after which it is of no use. */
const MOST_MISSES = 16;

/**
 * The shape of a whole line of JSON: its bytes with gaps for strings and numbers. A line with the
 * same bytes between its gaps, a string for each string and a number for each number, is JSON with the
 * same keys at the same places: so it need not be walked through. Values that have not changed so far
 * count as bytes between the gaps.
 */
export class LineShape {
  readonly text: Buffer;
  readonly #values: readonly Value[];
  /** The stretch of `text` before each gap, and the one after the last; then what the gap takes. */
  froms: readonly number[] = [];
  tos: readonly number[] = [];
  kinds: readonly number[] = [];
  #misses = 0;

  /** The shape of a line, which is JSON. Values at `variable` (offsets) are gaps from the start on. */
  constructor(line: Buffer, variable: readonly number[]) {
    // The newline ends the scans.
    this.text = Buffer.concat([line, NEWLINE_BYTE]);
    this.#values = valuesOf(this.text, variable);
    this.#compile();
  }

  /** Whether it has become of no use. */
  get worn(): boolean {
    return this.#misses > MOST_MISSES;
  }

  /** The stretch before the gap for the value that begins at the offset. */
  gapAt(offset: number): number {
    return this.tos.indexOf(offset);
  }

  /** The stretch that the byte at the offset lies in, outside of gaps. */
  stretchOf(offset: number): number {
    return this.froms.findLastIndex((from) => offset >= from);
  }

  /** A line had this shape. */
  matched(): void {
    this.#misses = 0;
  }

  /**
   * A line had another byte at the offset, -1 where it is not known. A value that was the same so far
   * becomes a gap: then it says true.
   */
  missed(offset: number): boolean {
    const value = this.#values.find(({ start, end }) => start <= offset && offset <= end);
    if (value === undefined || value.variable) {
      this.#misses++;
      return false;
    }
    value.variable = true;
    this.#compile();
    return true;
  }

  #compile(): void {
    const gaps = this.#values.filter(({ variable }) => variable);
    this.froms = [0, ...gaps.map(({ end }) => end)];
    this.tos = [...gaps.map(({ start }) => start), this.text.length - 1];
    this.kinds = gaps.map(({ kind }) => kind);
  }
}

const NEWLINE_BYTE = Buffer.from('\n');

interface Value {
  readonly kind: typeof STRING_GAP | typeof NUMBER_GAP;
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
    const kind = isNumber ? NUMBER_GAP : STRING_GAP;
    if (!isKey) values.push({ kind, start, end, variable: variable.includes(start) });
    start = end;
  }
  return values;
}
