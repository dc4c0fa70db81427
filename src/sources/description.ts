import type { Compression } from '../streams/compression.ts';
import type { Newline } from './csv-scanner.ts';

export type SourceFormat = 'csv' | 'ndjson' | 'json' | 'batch';

/** How a source is to be read; everything left out is found out from its name and first bytes. */
export interface SourceOptions {
  /** Default: by the extension, `.gz` and `.zst` aside. `tsv` is csv with tabs. */
  readonly format?: SourceFormat | 'tsv';
  /** CSV: one ASCII character. */
  readonly delimiter?: string;
  /** CSV: see CsvOptions. */
  readonly header?: boolean | readonly string[];
  /** Any label that TextDecoder knows. Default: UTF-8, or UTF-16 by its byte order mark. */
  readonly encoding?: string;
  /** JSON: dotted path of the array of records. */
  readonly jsonPath?: string;
  /** Throw at the first record that cannot be read. Default false. */
  readonly strict?: boolean;
  /** Bytes; default 16 MiB. */
  readonly maxRecordBytes?: number;
}

/** Everything that is needed to read a source the same way again. Plain data. */
export interface SourceDescription {
  /** Absolute, or null for standard input. */
  readonly path: string | null;
  /** As it was given, or `<stdin>`. */
  readonly label: string;
  /** Of the file as it is stored, or null when it has no size. */
  readonly bytes: number | null;
  /** ms since the epoch, or null. */
  readonly mtime: number | null;
  readonly format: SourceFormat;
  readonly compression: Compression | null;
  /** WHATWG name. */
  readonly encoding: string;
  /** CSV only; null also while it is not known (standard input). */
  readonly delimiter: string | null;
  readonly newline: Newline | null;
  /** Whether the first record of a CSV is a header. */
  readonly header: boolean;
  /** Of a CSV, once known. */
  readonly columns: readonly string[] | null;
  /** Offset of the first record, behind a byte order mark and a CSV's header; 0 unless seekable. */
  readonly start: number;
  readonly jsonPath: string | null;
  readonly strict: boolean;
  readonly maxRecordBytes: number;
  /** Whether reading can start at a record's offset: plain UTF-8 files of csv, ndjson and batch. */
  readonly seekable: boolean;
}
