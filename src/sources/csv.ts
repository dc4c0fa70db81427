import { MillraceError, UsageError } from '../core/errors.ts';
import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { Carry } from '../streams/carry.ts';
import type { Stage } from '../streams/stage.ts';
import { columnNames, numberedColumns } from './columns.ts';
import { bomLength, delimiterByte, detectDialect, SAMPLE_BYTES } from './csv-dialect.ts';
import { CsvRecords, fieldTexts, type RecordMaker } from './csv-records.ts';
import { CsvRows } from './csv-rows.ts';
import { CsvScanner, MAX_FIELDS, type Newline } from './csv-scanner.ts';
import {
  type ParserOptions,
  parserStage,
  RecordParser,
  recordLimit,
  type StartAt,
  tooLarge,
  where,
} from './parser.ts';
import { RecordKernel } from './record-kernel.ts';
import { Utf8Check } from './utf8.ts';

/** How a CSV is read. */
export interface CsvOptions extends ParserOptions {
  /** One ASCII character. Default: the one of , tab ; | that fits the first 64 KiB. */
  readonly delimiter?: string;
  /** Default: read from the first 64 KiB; see Newline. */
  readonly newline?: Newline;
  /**
   * `true` (default): the first record names the columns. `false`: there is none, and the columns
   * are `column_1` and so on. An array: there is none, and these are the columns. Names are made
   * unique as `columnNames` says.
   */
  readonly header?: boolean | readonly string[];
  /** Makes the records in another form than objects of strings. */
  readonly maker?: (columns: readonly string[]) => RecordMaker<unknown>;
  /** Where the bytes are put that `maker` is to read. Default: wherever they are. */
  readonly home?: Buffer | undefined;
}

/**
 * Reads CSV by RFC 4180 and as people write it: quoted fields with doubled quotes and line ends,
 * LF, CRLF or both, a BOM, empty lines (skipped), no line end at the end, quotes inside a field that
 * does not start with one (data). Records are objects of strings by column.
 *
 * Rejected: `ragged_row` (its fields as an array), `unterminated_quote`, `record_too_large`. Throws
 * `invalid_encoding`, and `bad_header` when the header cannot be read.
 */
export class CsvParser<T = Record<string, string>> extends RecordParser<T> {
  readonly #source: string;
  readonly #maxRecordBytes: number;
  readonly #utf8: Utf8Check;
  readonly #carry: Carry;
  /** Where rows in the usual form are read, unless records are made in another form than objects. */
  #kernel: RecordKernel | null;
  #rows: CsvRows | null = null;
  #delimiter: string | undefined;
  #newline: Newline | undefined;
  #scanner: CsvScanner | null = null;
  readonly #maker: (columns: readonly string[]) => RecordMaker<unknown>;
  #records: RecordMaker<unknown> | null = null;
  #header: boolean;
  #columns: readonly string[] | null = null;
  #atStart: boolean;
  #skipping = false;
  #row: number;
  /** Offset in the source of the first byte that is kept or comes next. */
  #base: number;
  /** Offset in the source of the record under way. */
  #recordByte = 0;
  #boundary: StartAt;
  #dataStart: number | null = null;

  constructor(options: CsvOptions = {}) {
    super();
    this.#source = options.source ?? '<stream>';
    this.#maxRecordBytes = recordLimit(options.maxRecordBytes);
    this.#boundary = options.startAt ?? { byte: 0, row: 0 };
    this.#base = this.#boundary.byte;
    this.#row = this.#boundary.row;
    this.#atStart = this.#base === 0;
    this.#utf8 = new Utf8Check(this.#source, this.#base);
    if (options.delimiter !== undefined) delimiterByte(options.delimiter);
    this.#delimiter = options.delimiter;
    this.#newline = options.newline;
    this.#maker = options.maker ?? ((columns) => new CsvRecords(columns));
    this.#kernel = options.maker === undefined ? RecordKernel.take() : null;
    this.#carry = new Carry(this.#kernel?.input ?? options.home);
    this.#header = (options.header ?? true) === true;
    if (this.#header && !this.#atStart) {
      throw new UsageError('a CSV that is not read from its start needs its columns: give header');
    }
    if (Array.isArray(options.header)) this.#setColumns(columnNames(options.header));
  }

  /** The columns, once known. */
  get columns(): readonly string[] | null {
    return this.#columns;
  }

  /** The dialect, once known. */
  get dialect(): { delimiter: string; newline: Newline } | null {
    if (this.#delimiter === undefined || this.#newline === undefined) return null;
    return { delimiter: this.#delimiter, newline: this.#newline };
  }

  /** Offset behind the header and the byte order mark, once known: where a partition can start. */
  get dataStart(): number | null {
    return this.#dataStart;
  }

  get boundary(): StartAt {
    return this.#boundary;
  }

  override close(): void {
    this.#kernel?.giveBack();
    this.#kernel = this.#rows = null;
  }

  *read(chunk: Uint8Array | null): Generator<SourceItem<T>> {
    const final = chunk === null;
    if (final) this.#utf8.flush();
    else this.#utf8.push(chunk);
    const data = this.#carry.join(chunk ?? Buffer.alloc(0));
    const scanner = this.#scanner ?? this.#begin(data, final);
    if (scanner === null) {
      this.#carry.keep(data, 0);
      return;
    }
    scanner.load(data, 0);
    let began = scanner.inRecord;
    for (;;) {
      const row = scanner.inRecord ? null : (this.#rows?.take(data, scanner.position) ?? null);
      if (row !== null) {
        scanner.position = this.#rows!.next;
        const byte = this.#base + this.#rows!.start;
        yield new SourceRecord(row as T, { source: this.#source, row: ++this.#row, byte });
        continue;
      }
      if (!scanner.next(final)) break;
      // A record that began in an earlier chunk keeps the offset that was noted then.
      if (!began) this.#recordByte = this.#base + scanner.recordStart;
      began = false;
      const item = this.#record(data, scanner);
      if (item !== null) yield item;
    }
    if (scanner.inRecord && !began) this.#recordByte = this.#base + scanner.recordStart;
    this.#boundary = {
      byte: scanner.inRecord ? this.#recordByte : this.#base + scanner.position,
      row: this.#row,
    };
    // A closing quote, a CR and an LF may already be among the bytes of the open record.
    if (scanner.inRecord && data.length - scanner.recordStart > this.#maxRecordBytes + 3) {
      this.#skipping = true;
    }
    if (this.#skipping) scanner.forget();
    const dropped = scanner.inRecord ? scanner.recordStart : scanner.position;
    this.#carry.keep(data, dropped);
    this.#base += dropped;
    scanner.load(data, dropped);
  }

  /** Finds out how the file is written, once enough of it is there. */
  #begin(data: Buffer, final: boolean): CsvScanner | null {
    const known = this.#delimiter !== undefined && this.#newline !== undefined;
    if (!final && data.length < (known ? 3 : SAMPLE_BYTES)) return null;
    const bom = this.#atStart ? bomLength(data) : 0;
    if (this.#delimiter === undefined || this.#newline === undefined) {
      const sample = data.subarray(bom, bom + SAMPLE_BYTES);
      const found = detectDialect(sample, final && data.length <= SAMPLE_BYTES, this.#delimiter);
      this.#delimiter = found.delimiter;
      this.#newline ??= found.newline;
    }
    const scanner = new CsvScanner(delimiterByte(this.#delimiter), this.#newline);
    scanner.position = bom;
    if (!this.#header) this.#dataStart = this.#base + bom;
    this.#scanner = scanner;
    this.#beginRows();
    return scanner;
  }

  #record(data: Buffer, scanner: CsvScanner): SourceItem<T> | null {
    const { recordStart: start, recordEnd: end, count } = scanner;
    const large = this.#skipping || end - start > this.#maxRecordBytes;
    this.#skipping = false;
    if (this.#header) return this.#readHeader(data, scanner, large);
    const position = { source: this.#source, row: ++this.#row, byte: this.#recordByte };
    if (large) return tooLarge(position, this.#maxRecordBytes);
    if (scanner.unterminated) {
      const message = `${where(position)}: the quote opened at byte ${this.#base + scanner.quoteAt} is never closed; close it, or double it if it is part of the text`;
      return new RejectedRecord(null, position, { code: 'unterminated_quote', message });
    }
    const columns = this.#columns ?? this.#setColumns(numberedColumns(Math.min(count, MAX_FIELDS)));
    if (count !== columns.length) {
      const message = `${where(position)}: the row has ${counted(count, 'field')}, the header ${counted(columns.length, 'column')}; quote fields that hold the delimiter, or give --delimiter`;
      const fields = fieldTexts(data, scanner.fields, count);
      return new RejectedRecord(fields, position, { code: 'ragged_row', message });
    }
    const record = this.#records!.object(data, scanner.fields, start, end);
    return new SourceRecord(record as T, position);
  }

  #readHeader(data: Buffer, scanner: CsvScanner, large: boolean): null {
    if (large || scanner.unterminated || scanner.count > MAX_FIELDS) {
      const why = large
        ? `is longer than ${this.#maxRecordBytes} bytes`
        : scanner.unterminated
          ? 'has a quote that is never closed'
          : `has more than ${MAX_FIELDS} columns`;
      throw new MillraceError(
        'bad_header',
        `${this.#source}: the header at byte ${this.#recordByte} ${why}; check that the file is CSV`,
      );
    }
    this.#setColumns(columnNames(fieldTexts(data, scanner.fields, scanner.count)));
    this.#header = false;
    this.#dataStart = this.#base + scanner.position;
    return null;
  }

  #setColumns(columns: readonly string[]): readonly string[] {
    this.#columns = columns;
    this.#records = this.#maker(columns);
    this.#beginRows();
    return columns;
  }

  /** Once the columns and the dialect are known. */
  #beginRows(): void {
    const kernel = this.#kernel;
    const columns = this.#columns;
    if (kernel === null || columns === null || !kernel.takes(columns.length)) return;
    if (this.#delimiter === undefined || this.#newline !== 'lf') return;
    const delimiter = delimiterByte(this.#delimiter);
    this.#rows = new CsvRows(kernel, columns, delimiter, this.#maxRecordBytes);
  }
}

function counted(value: number, what: string): string {
  return `${value} ${what}${value === 1 ? '' : 's'}`;
}

/**
 * A stage from the bytes of a CSV to its records; see CsvParser. Its columns are strings: the type
 * argument says what you know of them and is not checked.
 */
export function parseCsv<T = Record<string, string>>(
  options: CsvOptions = {},
): Stage<Uint8Array, SourceItem<T>> {
  return parserStage(() => new CsvParser<T>(options), options.strict ?? false);
}
