import { CsvRecords, type RecordMaker } from '../csv-records.ts';
import { MIXED } from '../csv-scanner.ts';
import { type Desk, MOST_RECORD_BYTES, SLACK_BYTES } from './desk.ts';

// The tables of the kernel's `csv`, in words: the number of columns, then three of each column; of the
// fields start, end and kind.
const COLUMN_WORDS = 3;
const FIELD_WORDS = 3;
const WORD_BYTES = 4;
const NOT_TAKEN = -1;

/** Writes records of CSV as JSON, straight from their bytes. Columns must be as JSON orders keys. */
export class CsvJson implements RecordMaker<unknown> {
  readonly #plain: CsvRecords;
  readonly #desk: Desk;
  readonly #columns: number;
  /** Address of the table of fields, behind the one of the columns. */
  readonly #fields: number;
  readonly #fits: boolean;

  constructor(columns: readonly string[], fields: readonly string[], desk: Desk) {
    this.#plain = new CsvRecords(columns);
    this.#desk = desk;
    this.#columns = columns.length;
    // What stands before each value: `{"id":"` and `","text":"`.
    const keys = columns.map((name, i) =>
      Buffer.from(`${i === 0 ? '{' : '",'}${JSON.stringify(name)}:"`),
    );
    const { memory, tables } = desk;
    this.#fields = tables.start + (1 + COLUMN_WORDS * columns.length) * WORD_BYTES;
    let at = this.#fields + columns.length * FIELD_WORDS * WORD_BYTES;
    const size = keys.reduce((sum, key) => sum + key.length, SLACK_BYTES);
    this.#fits = size <= tables.end - at;
    if (!this.#fits) return;
    let word = tables.start / WORD_BYTES;
    memory.words[word++] = columns.length;
    for (const [column, key] of keys.entries()) {
      memory.words[word++] = at;
      memory.words[word++] = key.length;
      memory.words[word++] = fields.indexOf(columns[column]!);
      at += key.copy(memory.bytes, at);
    }
  }

  /** Whether JSON writes these columns in their own order: names like `7` come first there. */
  static takes(columns: readonly string[]): boolean {
    return columns.length > 0 && !columns.some((name) => /^\d+$/.test(name));
  }

  object(data: Buffer, fields: Int32Array, start: number, end: number): unknown {
    const desk = this.#desk;
    const base = this.#fits && end - start <= MOST_RECORD_BYTES ? desk.addressOf(data) : null;
    if (base === null) return this.#plain.object(data, fields);
    const { memory, tables } = desk;
    const { words } = memory;
    const first = this.#fields / WORD_BYTES;
    for (let i = 0; i < this.#columns * FIELD_WORDS; i += FIELD_WORDS) {
      const kind = fields[i + 2]!;
      if (kind === MIXED) return this.#plain.object(data, fields);
      words[first + i] = base + fields[i]!;
      words[first + i + 1] = base + fields[i + 1]!;
      words[first + i + 2] = kind;
    }
    const spans = desk.nextSpans();
    desk.clear(spans);
    const { out } = desk;
    const stop = memory.kernel.csv(tables.start, this.#fields, spans, out, out + MOST_RECORD_BYTES);
    if (stop === NOT_TAKEN) return this.#plain.object(data, fields);
    return desk.record(out, stop, spans);
  }
}
