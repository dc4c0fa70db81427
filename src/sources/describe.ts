import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorCode, type MillraceError, UsageError } from '../core/errors.ts';
import {
  type Compression,
  compressionOfBytes,
  compressionOfName,
  decompress,
  withoutCompression,
} from '../streams/compression.ts';
import { CsvParser } from './csv.ts';
import type { Newline } from './csv-scanner.ts';
import { encodingName, encodingOfBytes, transcode } from './encoding.ts';
import { DEFAULT_MAX_RECORD_BYTES } from './parser.ts';

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

const EXTENSIONS: Readonly<Record<string, SourceFormat | 'tsv'>> = {
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'json',
};

/**
 * Decides how a source is read, from its name, its options and its first bytes. `-` is standard
 * input, of which nothing is read yet: its format must be given, and a CSV's columns are not known.
 * Throws UsageErrors for names that cannot be read, and the parser's errors for a broken header.
 */
export async function describeSource(
  path: string,
  options: SourceOptions = {},
): Promise<SourceDescription> {
  const named = options.format ?? formatOfName(path);
  const format = named === 'tsv' ? 'csv' : named;
  refuse(options, format, path);
  const description: SourceDescription = {
    path: path === '-' ? null : resolve(path),
    label: path === '-' ? '<stdin>' : path,
    bytes: null,
    mtime: null,
    format,
    compression: compressionOfName(path),
    encoding: encodingName(options.encoding ?? 'utf-8'),
    delimiter: options.delimiter ?? (named === 'tsv' ? '\t' : null),
    newline: null,
    header: format === 'csv' && (options.header ?? true) === true,
    columns: Array.isArray(options.header) ? options.header : null,
    start: 0,
    jsonPath: options.jsonPath ?? null,
    strict: options.strict ?? false,
    maxRecordBytes: options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES,
    seekable: false,
  };
  if (description.path === null) return description;
  return describeFile(description, description.path);
}

/** The columns of a CSV, by its header. */
export async function readCsvHeader(
  path: string,
  options: SourceOptions = {},
): Promise<readonly string[]> {
  const description = await describeSource(path, { ...options, format: options.format ?? 'csv' });
  return description.columns ?? [];
}

async function describeFile(named: SourceDescription, path: string): Promise<SourceDescription> {
  const found = await stat(path).catch((error) => {
    throw unreadable(named.label, error);
  });
  if (found.isDirectory()) {
    throw new UsageError(`${named.label} is a directory; name its files, for example with a glob`);
  }
  // A pipe or device gives its bytes only once, so none of them are looked at here.
  if (!found.isFile()) return named;
  const head = await readHead(path, named.label);
  const compression = compressionOfBytes(head);
  const described: SourceDescription = {
    ...named,
    bytes: found.size,
    mtime: Math.floor(found.mtimeMs),
    compression,
  };
  const first = compression === null ? head : await firstUnpacked(described, path);
  const mark = encodingOfBytes(first);
  const encoding =
    mark !== null && (named.encoding === 'utf-8' || named.encoding.startsWith('utf-16'))
      ? mark
      : named.encoding;
  const seekable = compression === null && encoding === 'utf-8' && named.format !== 'json';
  const start = seekable && mark === 'utf-8' ? 3 : 0;
  const known: SourceDescription = { ...described, encoding, seekable, start };
  return known.format === 'csv' ? describeCsv(known, path) : known;
}

async function describeCsv(known: SourceDescription, path: string): Promise<SourceDescription> {
  const parser = csvParser(known, known.header || (known.columns ?? false));
  await firstRecord(known, path, parser);
  const dialect = parser.dialect ?? { delimiter: known.delimiter ?? ',', newline: 'lf' };
  return {
    ...known,
    ...dialect,
    columns: parser.columns ?? [],
    start: known.seekable ? (parser.dataStart ?? known.start) : 0,
  };
}

/** A parser for the source from its beginning. */
function csvParser(known: SourceDescription, header: boolean | readonly string[]): CsvParser {
  return new CsvParser({
    source: known.label,
    maxRecordBytes: known.maxRecordBytes,
    header,
    ...(known.delimiter === null ? {} : { delimiter: known.delimiter }),
    ...(known.newline === null ? {} : { newline: known.newline }),
  });
}

async function firstRecord(
  known: SourceDescription,
  path: string,
  parser: CsvParser,
): Promise<void> {
  for await (const chunk of unpackedBytes(known, createReadStream(path))) {
    parser.push(chunk);
    if (parser.columns !== null && parser.dialect !== null) return;
  }
  parser.flush();
}

/** The source's text as UTF-8, whatever it was packed and written in. */
export function unpackedBytes(
  known: Pick<SourceDescription, 'compression' | 'encoding' | 'label'>,
  raw: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const options = signal === undefined ? {} : { signal };
  const plain =
    known.compression === null ? raw : decompress(known.compression, known.label)(raw, options);
  return known.encoding === 'utf-8'
    ? plain
    : transcode(known.encoding, known.label)(plain, options);
}

async function firstUnpacked(known: SourceDescription, path: string): Promise<Uint8Array> {
  const bytes = unpackedBytes({ ...known, encoding: 'utf-8' }, createReadStream(path));
  for await (const chunk of bytes) return chunk;
  return new Uint8Array(0);
}

async function readHead(path: string, label: string): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const head = Buffer.alloc(4);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } catch (error) {
    throw unreadable(label, error);
  } finally {
    await handle?.close();
  }
}

function formatOfName(path: string): SourceFormat | 'tsv' {
  if (path === '-') {
    throw new UsageError(
      'standard input has no name to tell its format by; give --format csv, tsv, ndjson, json or batch',
    );
  }
  const extension = /\.([^./\\]+)$/.exec(withoutCompression(path))?.[1]?.toLowerCase();
  const format = extension === undefined ? undefined : EXTENSIONS[extension];
  if (format !== undefined) return format;
  throw new UsageError(
    `${path}: the name does not tell the format; give --format csv, tsv, ndjson, json or batch`,
  );
}

function refuse(options: SourceOptions, format: SourceFormat, path: string): void {
  if (options.delimiter !== undefined && format !== 'csv') {
    throw new UsageError(`--delimiter is for CSV, and ${path} is read as ${format}; leave one out`);
  }
  if (options.jsonPath !== undefined && format !== 'json') {
    throw new UsageError(
      `--json-path is for JSON, and ${path} is read as ${format}; leave one out`,
    );
  }
}

function unreadable(label: string, error: unknown): MillraceError {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UsageError(`${label}: there is no such file`, { cause: error });
  }
  return new UsageError(`${label} cannot be read (${code ?? 'unknown error'})`, { cause: error });
}
