import { type Desk, MOST_RECORD_BYTES, TABLE_BYTES } from './desk.ts';
import { type ShapeOf, shapesFor } from './line-shape.ts';
import type { Area } from './memory.ts';
import type { RawRecord } from './raw-record.ts';
import type { RawWish } from './raw-wish.ts';
import { ShapeTable } from './shape-table.ts';

const CR = 0x0d;
const NOT_TAKEN = -1;
const AS_IT_IS = 0;

/** Shapes that are known at a time. */
export const MOST_SHAPES = 4;
/** To learn a shape costs as much as so many lines that are taken save. */
const LEARNING_COST = 8;
const MOST_CREDIT = 64;
/** Without credit, one of so many lines is learned from. */
const REST = 100;
/** After so many lines that were not taken, only some are looked at until one is. */
const MOST_MISSES = 64;
const LOOK_EVERY = 8;

/** A part of the tables, and what is in it. */
interface Slot {
  readonly area: Area;
  shape: ShapeTable | null;
}

/**
 * Takes lines of NDJSON that are written like one of the last that were parsed, blanks included. A line
 * is taken as it is where `JSON.stringify(JSON.parse(line))` would give the same bytes; blanks, and
 * values in another form, are put into that form. A line that is anything else is left to the parser.
 */
export class KnownLines {
  readonly #desk: Desk;
  readonly #shapeOf: ShapeOf;
  /** Whether fields were asked for that a line may not have. */
  readonly #cleared: boolean;
  /** The shape that was of use last comes first. */
  readonly #slots: Slot[];
  /** Lines since the last one that was taken. */
  #misses = 0;
  #credit = MOST_CREDIT;

  constructor(wish: RawWish, desk: Desk) {
    const { start } = desk.tables;
    this.#desk = desk;
    this.#shapeOf = shapesFor(wish);
    this.#cleared = 'fields' in wish;
    this.#slots = Array.from({ length: MOST_SHAPES }, (_, i) => ({
      area: { start: start + i * TABLE_BYTES, end: start + (i + 1) * TABLE_BYTES },
      shape: null,
    }));
  }

  get input(): Buffer {
    return this.#desk.input;
  }

  /** The shape of a record that the parser read: the next ones are expected to have it too. */
  learn(data: Buffer, start: number, end: number, record: object): void {
    const rests = this.#credit < LEARNING_COST;
    if (++this.#misses % REST !== 0 && rests) return;
    this.#credit = Math.max(0, this.#credit - LEARNING_COST);
    const shape = this.#shapeOf(data, start, end, record);
    if (shape === null) return;
    const last = this.#slots.at(-1)!;
    last.shape = ShapeTable.place(this.#desk.memory, last.area, shape);
    if (last.shape !== null) this.#bringForward(last);
  }

  /** The line as a record, or null for one that the parser has to read. */
  take(data: Buffer, start: number, end: number): RawRecord | null {
    if (this.#misses > MOST_MISSES && this.#misses % LOOK_EVERY !== 0) return null;
    const desk = this.#desk;
    const base = this.#slots[0]!.shape === null ? null : desk.addressOf(data);
    if (base === null) return null;
    const at = base + start;
    const stop = base + (data[end - 1] === CR ? end - 1 : end);
    const spans = desk.nextSpans();
    const { out } = desk;
    for (const slot of this.#slots) {
      const { shape } = slot;
      if (shape === null) break;
      if (this.#cleared) desk.clear(spans);
      const took = shape.take(at, stop, spans, out, out + MOST_RECORD_BYTES);
      if (took === NOT_TAKEN) continue;
      this.#misses = 0;
      if (this.#credit < MOST_CREDIT) this.#credit++;
      this.#bringForward(slot);
      return took === AS_IT_IS
        ? desk.record(at, stop, spans, shape.frame)
        : desk.record(out, took, spans, shape.frame);
    }
    return null;
  }

  #bringForward(slot: Slot): void {
    const slots = this.#slots;
    if (slots[0] === slot) return;
    slots.splice(slots.indexOf(slot), 1);
    slots.unshift(slot);
  }
}
