import type { Area, RawMemory } from './memory.ts';
import { RawRecord } from './raw-record.ts';
import type { RawFrame } from './raw-wish.ts';

/** Behind whatever the kernel reads or writes, so that it can do so 16 bytes at a time. */
export const SLACK_BYTES = 64;
/** A block of a source and what was left of the one before. */
const INPUT_BYTES = 1024 * 1024 + SLACK_BYTES; // 1 MiB
/** Longer records are made plain objects. */
export const MOST_RECORD_BYTES = 256 * 1024; // 256 KiB
/** A table of what a reader knows of the records. */
export const TABLE_BYTES = 64 * 1024; // 64 KiB
const SPAN_BYTES = 12;

/**
 * Where a reader of raw records works: the input under way, tables, and room for what it writes. Two
 * records at a time have their places here, the last one and the one before.
 */
export class Desk {
  readonly memory: RawMemory;
  readonly #area: Area;
  readonly #input: number;
  readonly #spans: number;
  readonly #spanBytes: number;
  readonly #out: number;
  readonly tables: Area;
  #data: Buffer | null = null;
  #address: number | null = null;
  #turn = 0;

  private constructor(memory: RawMemory, area: Area, fields: number, tables: number) {
    this.memory = memory;
    this.#area = area;
    this.#spans = area.start;
    this.#spanBytes = fields * SPAN_BYTES;
    const start = this.#spans + 2 * this.#spanBytes;
    this.tables = { start, end: start + tables * TABLE_BYTES };
    this.#out = this.tables.end;
    this.#input = this.#out + 2 * MOST_RECORD_BYTES;
  }

  /**
   * For records of which so many fields are asked for, with room for so many tables. Null when the
   * thread's memory is full, and records have to be made plain objects.
   */
  static open(memory: RawMemory, fields: number, tables: number): Desk | null {
    const words = 2 * fields * SPAN_BYTES + tables * TABLE_BYTES;
    const area = memory.take(words + 2 * MOST_RECORD_BYTES + INPUT_BYTES);
    return area === null ? null : new Desk(memory, area, fields, tables);
  }

  close(): void {
    this.memory.give(this.#area);
  }

  /** Where a parser that reads for this desk keeps its input. */
  get input(): Buffer {
    return this.memory.bytes.subarray(this.#input, this.#input + INPUT_BYTES - SLACK_BYTES);
  }

  /** Address of the first byte of `data`, or null when it did not fit into `input`. */
  addressOf(data: Buffer): number | null {
    if (data !== this.#data) this.#look(data);
    return this.#address;
  }

  #look(data: Buffer): void {
    const { bytes } = this.memory;
    this.#data = data;
    this.#address = data.buffer === bytes.buffer ? data.byteOffset : null;
    if (this.#address === null) return;
    // Nothing that was there before may be taken for the end of a record.
    const end = this.#address + data.length;
    bytes.fill(0, end, end + SLACK_BYTES);
  }

  /** Of the next record: its spans as an address. */
  nextSpans(): number {
    this.#turn ^= 1;
    return this.#spans + this.#turn * this.#spanBytes;
  }

  /** Clears spans of which not all will be written. */
  clear(spans: number): void {
    const { words } = this.memory;
    // They are few: a call would cost more.
    for (let word = spans >> 2; word < (spans + this.#spanBytes) >> 2; word++) words[word] = 0;
  }

  /** Where the next record may be written, up to `out + MOST_RECORD_BYTES`. */
  get out(): number {
    return this.#out + this.#turn * MOST_RECORD_BYTES;
  }

  /** The record that lies at `[start, end)`, with its spans. */
  record(start: number, end: number, spans: number, frame: RawFrame | null = null): RawRecord {
    const { bytes, words } = this.memory;
    return new RawRecord(bytes, start, end, words, spans >> 2, frame);
  }
}
