import { CsvRecords, type RecordMaker } from '../csv-records.ts';
import { DOUBLED, MIXED } from '../csv-scanner.ts';
import type { Arena } from './arena.ts';
import { copyBytes, ESCAPES, MOST_ESCAPED, QUOTE, writeEscape } from './json-text.ts';
import { ESCAPED, RawRecord, TEXT } from './raw-record.ts';

/** Longer records are made plain objects: room for their worst case would be wasted. */
const MOST_BYTES = 256 * 1024; // 256 KiB
const CLOSE = Buffer.from('"}');

/** Writes records of CSV as JSON, straight from their bytes. Columns must be as JSON orders keys. */
export class CsvJson implements RecordMaker<unknown> {
  readonly #plain: CsvRecords;
  readonly #arena: Arena;
  /** What stands before each value: `{"id":"` and `","text":"`. */
  readonly #keys: readonly Buffer[];
  readonly #keyBytes: number;
  /** By column: which of the fields asked for it is, or -1. */
  readonly #wanted: Int32Array;
  readonly #spans: number;

  constructor(columns: readonly string[], fields: readonly string[], arena: Arena) {
    this.#plain = new CsvRecords(columns);
    this.#arena = arena;
    this.#keys = columns.map((name, i) =>
      Buffer.from(`${i === 0 ? '{' : '",'}${JSON.stringify(name)}:"`),
    );
    this.#keyBytes = this.#keys.reduce((sum, key) => sum + key.length, CLOSE.length);
    this.#wanted = Int32Array.from(columns, (name) => fields.indexOf(name));
    this.#spans = fields.length * 3;
  }

  /** Whether JSON writes these columns in their own order: names like `7` come first there. */
  static takes(columns: readonly string[]): boolean {
    return columns.length > 0 && !columns.some((name) => /^\d+$/.test(name));
  }

  object(data: Buffer, fields: Int32Array, start: number, end: number): unknown {
    if (end - start > MOST_BYTES) return this.#plain.object(data, fields);
    const arena = this.#arena;
    arena.reserve((end - start) * MOST_ESCAPED + this.#keyBytes);
    const { bytes: out, used } = arena;
    const places = arena.takeSpans(this.#spans);
    const { spans } = arena;
    const keys = this.#keys;
    let to = used;
    for (let column = 0; column < keys.length; column++) {
      const key = keys[column]!;
      to = copyBytes(key, 0, key.length, out, to);
      const first = to;
      const kind = fields[column * 3 + 2]!;
      if (kind === MIXED) return this.#plain.object(data, fields);
      const stop = fields[column * 3 + 1]!;
      let escaped = false;
      for (let from = fields[column * 3]!; from < stop; from++) {
        const byte = data[from]!;
        const letter = ESCAPES[byte]!;
        if (letter === 0) {
          out[to++] = byte;
          continue;
        }
        escaped = true;
        to = writeEscape(byte, letter, out, to);
        if (byte === QUOTE && kind === DOUBLED) from++;
      }
      const wanted = this.#wanted[column]!;
      if (wanted === -1) continue;
      const place = places + wanted * 3;
      spans[place] = first;
      spans[place + 1] = to;
      spans[place + 2] = escaped ? ESCAPED : TEXT;
    }
    to = copyBytes(CLOSE, 0, CLOSE.length, out, to);
    arena.used = to;
    return new RawRecord(out, used, to, spans, places);
  }
}
