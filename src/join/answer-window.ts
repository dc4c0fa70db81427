import { giveBuffer, takeBuffer, takeRoughly } from '../streams/spare-buffers.ts';
import type { AnswerReader } from './answer-reader.ts';
import type { RowIndex } from './row-index.ts';

const SCAN_BYTES = 512 * 1024; // 512 KiB
/** What is copied in the time of a system call, roughly. */
const CALL_BYTES = 10_000; // 10 kB

/**
 * The responses of a shard's rows, asked for in the order of the rows, while they lie in any order in
 * the answers: a system call for each would take longer than all the rest. Answers that fit into
 * `room` are read once. Of more answers, those to the next rows that fit are picked out of the files
 * in one go through them, which leaves out where nothing of them lies. Long answers, of which few
 * fit, are read one by one all the same.
 */
export class AnswerWindow {
  readonly #answers: AnswerReader;
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #room: Buffer;
  readonly #whole: boolean;
  readonly #single: boolean;
  /** The rows whose responses are in the room, and where; empty while all are. */
  #to = 0;
  #places: Uint32Array | null = null;
  /** The rows in the order of their answers. */
  #order: Uint32Array | null = null;
  /** What the two tables lie in. */
  #tables: readonly Buffer[] = [];

  constructor(answers: AnswerReader, { starts, lengths }: RowIndex, room: Buffer) {
    this.#answers = answers;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#room = room;
    this.#whole = answers.bytes <= room.length;
    const passes = Math.ceil(answers.bytes / room.length);
    this.#single = passes * answers.bytes > lengths.length * CALL_BYTES;
    if (this.#whole) answers.readAll(room);
  }

  /** Copies the response of the row, which has one, to `into`. Rows are asked for in order. */
  read(row: number, into: Buffer, at: number): void {
    const start = this.#starts[row]!;
    const length = this.#lengths[row]!;
    if (length > this.#room.length || (this.#single && !this.#whole)) {
      this.#answers.read(start, length, into, at);
      return;
    }
    let from = start;
    if (!this.#whole) {
      if (row >= this.#to) this.#fill(row);
      from = this.#places![row]!;
    }
    this.#room.copy(into, at, from, from + length);
  }

  /** Gives its memory back; not to be asked any more. */
  end(): void {
    for (const table of this.#tables) giveBuffer(table);
  }

  /** Picks the responses of the rows from `first` on, as many as there is room for. */
  #fill(first: number): void {
    const [starts, lengths, room] = [this.#starts, this.#lengths, this.#room];
    if (this.#order === null) {
      const size = lengths.length * Uint32Array.BYTES_PER_ELEMENT;
      this.#tables = [takeRoughly(size), takeRoughly(size)];
      this.#order = orderOf(starts, lengths, this.#tables[0]!);
      this.#places = new Uint32Array(this.#tables[1]!.buffer, 0, lengths.length);
    }
    const places = this.#places!;
    let to = first;
    for (let used = 0; to < lengths.length; to++) {
      const length = lengths[to]!;
      if (length > room.length) continue;
      if (used + length > room.length) break;
      places[to] = used;
      used += length;
    }
    this.#to = to;
    const scan = takeBuffer(SCAN_BYTES);
    let scanStart = 0;
    let scanEnd = 0;
    for (const row of this.#order) {
      if (row < first || row >= to) continue;
      const start = starts[row]!;
      const length = lengths[row]!;
      if (length > room.length) continue;
      if (length > SCAN_BYTES) {
        this.#answers.read(start, length, room, places[row]!);
        continue;
      }
      if (start + length > scanEnd) {
        scanStart = start;
        scanEnd = start + this.#answers.readSome(start, scan);
      }
      scan.copy(room, places[row]!, start - scanStart, start - scanStart + length);
    }
    giveBuffer(scan);
  }
}

/** The rows that have an answer, by where it lies, put into `into`. */
function orderOf(starts: Float64Array, lengths: Uint32Array, into: Buffer): Uint32Array {
  // One number holds both, since a sort with a function of ours is much slower: places are below
  // 2^36 with rows below 2^17, which the limits of the service are far from.
  const rows = lengths.length;
  const room = takeRoughly(rows * Float64Array.BYTES_PER_ELEMENT);
  const keys = new Float64Array(room.buffer, 0, rows);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    if (lengths[row]! > 0) keys[count++] = starts[row]! * rows + row;
  }
  const order = new Uint32Array(into.buffer, 0, count);
  const sorted = keys.subarray(0, count).sort();
  for (let n = 0; n < count; n++) order[n] = sorted[n]! % rows;
  giveBuffer(room);
  return order;
}
