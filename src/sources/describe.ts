import { constants, createReadStream, type Stats } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorCode, type MillraceError, UsageError } from '../core/errors.ts';
import { compressionOfName, withoutCompression } from '../streams/compression.ts';
import type { SourceDescription, SourceFormat, SourceOptions } from './description.ts';
import { encodingName } from './encoding.ts';
import { describeBytes } from './heads.ts';
import { recordLimit } from './parser.ts';
import { ReplayedInput } from './replay.ts';

export type { SourceDescription, SourceFormat, SourceOptions } from './description.ts';

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
  if (path === '-') return describeName(path, options);
  // Asked before the name is: one that is not there, or a directory, has no format.
  const found = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (found.isDirectory()) {
    throw new UsageError(`${path} is a directory; name its files, for example with a glob`);
  }
  return describeFile(describeName(path, options), resolve(path), found);
}

/**
 * The same for a stream such as standard input, whose first bytes are read for it. What is left is
 * in `input`, the bytes that were looked at included; it can be read once.
 */
export async function describeInput(
  input: AsyncIterable<Uint8Array>,
  options: SourceOptions = {},
): Promise<{ source: SourceDescription; input: AsyncIterable<Uint8Array> }> {
  const replay = new ReplayedInput(input);
  const source = await describeBytes(describeName('-', options), () => replay.look(), false);
  return { source, input: replay };
}

/** What the name and the options tell. */
function describeName(path: string, options: SourceOptions): SourceDescription {
  const named = options.format ?? formatOfName(path);
  const format = named === 'tsv' ? 'csv' : named;
  refuse(options, format, path);
  return {
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
    columns: format === 'csv' && Array.isArray(options.header) ? options.header : null,
    start: 0,
    jsonPath: options.jsonPath ?? null,
    strict: options.strict ?? false,
    maxRecordBytes: recordLimit(options.maxRecordBytes),
    seekable: false,
  };
}

/** The columns of a CSV, by its header. */
export async function readCsvHeader(
  path: string,
  options: SourceOptions = {},
): Promise<readonly string[]> {
  const description = await describeSource(path, { ...options, format: options.format ?? 'csv' });
  return description.columns ?? [];
}

async function describeFile(
  named: SourceDescription,
  path: string,
  found: Stats,
): Promise<SourceDescription> {
  // A pipe or device gives its bytes only once, so none of them are looked at here.
  if (!found.isFile()) return named;
  await access(path, constants.R_OK).catch((error) => {
    throw unreadable(named.label, error);
  });
  const open = () => createReadStream(path);
  const known = await describeBytes(named, open, true);
  return { ...known, bytes: found.size, mtime: Math.floor(found.mtimeMs) };
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
