import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { LineSplitter } from '../streams/lines.ts';
import type { Stage } from '../streams/stage.ts';
import { bomLength } from './csv-dialect.ts';
import { JsonObjects } from './json-objects.ts';
import {
  MAX_DEPTH,
  type ParserOptions,
  parserStage,
  RecordParser,
  recordLimit,
  type StartAt,
  tooDeep,
  tooLarge,
  where,
} from './parser.ts';
import { Utf8Check } from './utf8.ts';

/** How NDJSON is read. */
export interface NdjsonOptions extends ParserOptions {
  /** Takes lines as they are, before they are parsed. */
  readonly raw?: RawLines;
}

/** See KnownLines. */
export interface RawLines {
  /** Where the bytes have to lie that it is to take. */
  readonly input: Buffer;
  /** The line as a record in another form, or null to have it parsed. */
  take(data: Buffer, start: number, end: number): object | null;
  /** Told every record that was parsed, and where it stands. */
  learn(data: Buffer, start: number, end: number, record: object): void;
}

/**
 * Reads a JSON object a line. Blank lines and a BOM are skipped. Rejected: `invalid_json`,
 * `not_an_object` (a value of another kind; it is kept as the record), `record_too_large`. Throws
 * `invalid_encoding`.
 */
export class NdjsonParser<T = unknown> extends RecordParser<T> {
  readonly #source: string;
  readonly #maxRecordBytes: number;
  readonly #utf8: Utf8Check;
  readonly #lines: LineSplitter;
  readonly #raw: RawLines | null;
  /** What reads objects, unless lines are taken as they are. */
  readonly #objects: JsonObjects | null;
  #atStart: boolean;
  #row: number;

  constructor(options: NdjsonOptions = {}) {
    super();
    const start = options.startAt ?? { byte: 0, row: 0 };
    this.#source = options.source ?? '<stream>';
    this.#raw = options.raw ?? null;
    this.#maxRecordBytes = recordLimit(options.maxRecordBytes);
    this.#row = start.row;
    this.#atStart = start.byte === 0;
    this.#utf8 = new Utf8Check(this.#source, start.byte);
    this.#objects = this.#raw === null ? new JsonObjects() : null;
    this.#lines = new LineSplitter({
      maxLineBytes: this.#maxRecordBytes,
      startAt: start.byte,
      home: (this.#raw ?? this.#objects)?.input,
    });
  }

  get boundary(): StartAt {
    return { byte: this.#lines.openByte, row: this.#row };
  }

  override close(): void {
    this.#objects?.close();
  }

  *read(chunk: Uint8Array | null): Generator<SourceItem<T>> {
    if (chunk === null) this.#utf8.flush();
    else this.#utf8.push(chunk);
    const lines = chunk === null ? this.#lines.flush() : this.#lines.push(chunk);
    for (let i = 0; i < lines.count; i++) {
      let start = lines.bounds[i * 2]!;
      const end = lines.bounds[i * 2 + 1]!;
      let byte = lines.byteOf(i);
      if (this.#atStart) {
        this.#atStart = false;
        const bom = end < 0 ? 0 : bomLength(lines.data.subarray(start, end));
        start += bom;
        byte += bom;
      }
      if (end >= 0 && isBlank(lines.data, start, end)) continue;
      yield this.#item(lines.data, start, end, byte);
    }
  }

  #item(data: Buffer, start: number, end: number, byte: number): SourceItem<T> {
    const position = { source: this.#source, row: ++this.#row, byte };
    if (end < 0) return tooLarge(position, this.#maxRecordBytes);
    const raw = this.#raw?.take(data, start, end) ?? null;
    if (raw !== null) return new SourceRecord(raw as T, position);
    const objects = this.#objects;
    const known = objects?.read(data, start, end) ?? null;
    if (objects !== null && known !== null && isBlank(data, objects.end, end)) {
      return new SourceRecord(known as T, position);
    }
    const value = parse(data.toString('utf8', start, end));
    if (value === undefined) {
      return new RejectedRecord(null, position, {
        code: 'invalid_json',
        message: `${where(position)}: the line is not JSON; each line must be one whole object`,
      });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return new RejectedRecord(value, position, {
        code: 'not_an_object',
        message: `${where(position)}: the line is ${kindOf(value)}; each line must be one JSON object`,
      });
    }
    // Each level takes two bytes, so that short lines need no look.
    if (end - start > 2 * MAX_DEPTH && isDeeper(value, MAX_DEPTH)) return tooDeep(position);
    (this.#raw ?? objects)?.learn(data, start, end, value);
    return new SourceRecord(value as T, position);
  }
}

/** A stage from the bytes of NDJSON to its records; see NdjsonParser. The type is not checked. */
export function parseNdjson<T = unknown>(
  options: NdjsonOptions = {},
): Stage<Uint8Array, SourceItem<T>> {
  return parserStage(() => new NdjsonParser<T>(options), options.strict ?? false);
}

/** The kind of a JSON value in words. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/** Whether there is nothing but JSON's white space. */
export function isBlank(data: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = data[i]!;
    if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  }
  return true;
}

/** The value, or undefined. The parser's own message is dropped, for it quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Level by level, for a deep value would overflow the stack here too. */
function isDeeper(value: object, levels: number): boolean {
  let level: object[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true;
    const next: object[] = [];
    for (const parent of level) {
      for (const child of Object.values(parent)) {
        if (typeof child === 'object' && child !== null) next.push(child);
      }
    }
    level = next;
  }
  return false;
}
