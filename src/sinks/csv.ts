import type { ResultRow } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';
import { type AnswerShape, answerNames, flatValues, shapeOf } from './answer-columns.ts';
import { recordFields } from './ndjson.ts';
import type { ByteTarget } from './target.ts';
import { TextBlock } from './text-block.ts';

/** Rows that are looked at for their columns when nobody named them. */
const DISCOVERY_ROWS = 1000;
const NEWLINE = '\r\n';

export interface CsvOptions {
  /** One character. */
  readonly delimiter: string;
  /** The source's columns in their order; undefined: those of the first 1,000 rows' records. */
  readonly columns: readonly string[] | undefined;
  /** What the answers have; undefined: what those of the first 1,000 rows have. */
  readonly answers: AnswerShape | undefined;
  /** Told once, at the end, when records had fields that have no column. */
  readonly onWarning: ((message: string) => void) | undefined;
}

/**
 * Flat rows as CSV by RFC 4180 with a header: the source's columns, then the answer's. Values that
 * are not text are written as JSON, null and absent ones as nothing. A value is written as it is,
 * also one that a spreadsheet would take for a formula: whoever opens untrusted data in one must
 * import it as text.
 */
export class CsvSink implements Sink {
  readonly #block: TextBlock;
  readonly #options: CsvOptions;
  readonly #special: RegExp;
  readonly #unknown = new Map<string, number>();
  #held: ResultRow[] = [];
  #columns: readonly string[] | null = null;
  #columnSet: ReadonlySet<string> = new Set();
  #answers: AnswerShape = { output: [], dimensions: false };

  constructor(target: ByteTarget, options: CsvOptions) {
    this.#block = new TextBlock(target);
    this.#options = options;
    this.#special = new RegExp(`["\\r\\n${options.delimiter.replace(/[\\\]^-]/, '\\$&')}]`);
  }

  write(row: ResultRow): void | Promise<void> {
    if (this.#columns === null) {
      this.#held.push(row);
      const known = this.#options.columns !== undefined && this.#options.answers !== undefined;
      return known || this.#held.length === DISCOVERY_ROWS ? this.#begin() : undefined;
    }
    return this.#block.text(this.#row(row, this.#columns));
  }

  async close(): Promise<void> {
    if (this.#columns === null) await this.#begin();
    await this.#block.close();
    this.#warn();
  }

  abort(): Promise<void> {
    return this.#block.abort();
  }

  /** Settles the columns and writes what waited for them. */
  async #begin(): Promise<void> {
    const columns = this.#options.columns ?? discover(this.#held);
    const rows = this.#held;
    this.#held = [];
    this.#answers = this.#options.answers ?? shapeOf(rows);
    this.#columns = columns;
    this.#columnSet = new Set(columns);
    const names = [...columns, ...answerNames(this.#columnSet, this.#answers)];
    await this.#block.text(this.#line(names));
    for (const row of rows) await this.#block.text(this.#row(row, columns));
  }

  #row(row: ResultRow, columns: readonly string[]): string {
    const fields =
      row.status === 'rejected' ? readable(row.record, columns) : recordFields(row.record);
    const values: unknown[] = [];
    let found = 0;
    for (const column of columns) {
      if (Object.hasOwn(fields, column)) {
        found++;
        values.push(fields[column]);
      } else {
        values.push(null);
      }
    }
    if (row.status !== 'rejected') this.#countUnknown(fields, found);
    values.push(...flatValues(row, this.#answers));
    return this.#line(values);
  }

  #line(values: readonly unknown[]): string {
    let line = '';
    for (let index = 0; index < values.length; index++) {
      if (index > 0) line += this.#options.delimiter;
      const text = cellText(values[index]);
      line += this.#special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    }
    return line + NEWLINE;
  }

  #countUnknown(fields: Readonly<Record<string, unknown>>, found: number): void {
    const keys = Object.keys(fields);
    if (keys.length === found) return;
    for (const key of keys) {
      if (!this.#columnSet.has(key)) this.#unknown.set(key, (this.#unknown.get(key) ?? 0) + 1);
    }
  }

  #warn(): void {
    if (this.#unknown.size === 0) return;
    let values = 0;
    for (const count of this.#unknown.values()) values += count;
    const names = [...this.#unknown.keys()].slice(0, 5).join(', ');
    this.#options.onWarning?.(
      `${values} values of ${this.#unknown.size} fields without a column were left out (${names}); name the columns, or write .ndjson to keep all`,
    );
  }
}

function discover(rows: readonly ResultRow[]): string[] {
  const columns = new Set<string>();
  for (const row of rows) {
    if (row.status === 'rejected') continue;
    for (const key of Object.keys(recordFields(row.record))) columns.add(key);
  }
  return [...columns];
}

/**
 * What could be read of a record that was rejected, under the columns it may belong to: the fields of
 * a ragged row by their places; a text that could not be taken apart has no column.
 */
function readable(record: unknown, columns: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof record !== 'object') return {};
  if (!Array.isArray(record)) return recordFields(record);
  return Object.fromEntries(columns.map((column, index) => [column, record[index]]));
}

function cellText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  return JSON.stringify(value);
}
