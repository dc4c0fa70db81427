import type { AnswerIds } from './answers.ts';
import { IdTable } from './id-table.ts';

const ZERO = 0x30;
const MOST_DIGITS = 15;
const FEW_SLOTS = 1024;

/** The custom_ids of a shard that are one prefix and the ordinals `first`, `first + 1` and so on. */
export interface OrdinalRange {
  readonly prefix: string;
  readonly first: number;
  readonly rows: number;
}

/**
 * Numbers the ids of such a shard by their rows, without a table; ids that are not of the shard are
 * numbered behind them.
 */
export class OrdinalIds implements AnswerIds {
  readonly range: OrdinalRange;
  readonly #prefix: Buffer;
  readonly #first: number;
  readonly #rows: number;
  readonly #others = new IdTable(FEW_SLOTS);

  constructor(range: OrdinalRange) {
    const { prefix, first, rows } = range;
    this.range = range;
    this.#prefix = Buffer.from(prefix);
    this.#first = first;
    this.#rows = rows;
  }

  get size(): number {
    return this.#rows + this.#others.size;
  }

  add(bytes: Buffer, start: number, end: number): number {
    const row = this.#ordinal(bytes, start, end) - this.#first;
    if (row >= 0 && row < this.#rows) return row;
    return this.#rows + this.#others.add(bytes, start, end);
  }

  /** The ordinal as it is written in an id of ours, or NaN. */
  #ordinal(bytes: Buffer, start: number, end: number): number {
    const prefix = this.#prefix;
    const digits = start + prefix.length;
    if (digits >= end || end - digits > MOST_DIGITS) return Number.NaN;
    for (let index = 0; index < prefix.length; index++) {
      if (bytes[start + index] !== prefix[index]) return Number.NaN;
    }
    if (bytes[digits] === ZERO && end - digits > 1) return Number.NaN;
    let ordinal = 0;
    for (let at = digits; at < end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) return Number.NaN;
      ordinal = ordinal * 10 + digit;
    }
    return ordinal;
  }
}
