import { accessSync, constants, lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { UsageError } from '../core/errors.ts';
import type { Sink } from '../core/sink.ts';
import type { AnswerShape } from './answer-columns.ts';
import { CsvSink } from './csv.ts';
import { FlatNdjsonSink, NdjsonSink } from './ndjson.ts';
import {
  type ByteTarget,
  CompressedTarget,
  type Compression,
  FileTarget,
  StreamTarget,
} from './target.ts';

const FORMATS = {
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.tsv': 'tsv',
} as const;

const DELIMITERS = { csv: ',', tsv: '\t' } as const;

/** How rows are written to a file. */
export interface SinkOptions {
  /**
   * One flat object a row: the record's fields, then the properties of a structured output, then
   * content, finish_reason, status, error, prompt_tokens, completion_tokens, and for embeddings
   * dimensions. Default false; `.csv` and `.tsv` are always flat.
   */
  readonly flat?: boolean;
  /**
   * The source's columns in their order, as a CSV's header has them. By default a flat table takes
   * them from the first 1,000 rows, which it holds until then.
   */
  readonly columns?: readonly string[];
  /** What the answers have beside the usual. By default a flat table sees it in the first rows. */
  readonly answers?: AnswerShape;
  /** Where `-` goes; standard output by default. */
  readonly stdout?: Writable;
  /** Told about what could not be written, in words for the user. Nothing by default. */
  readonly onWarning?: (message: string) => void;
}

/** What the name of an output says. */
export interface OutputName {
  readonly format: 'ndjson' | 'csv' | 'tsv';
  readonly compression: Compression | null;
}

/**
 * The sink for a file name: `.ndjson` or `.jsonl`, `.csv`, `.tsv`, each also with `.gz` or `.zst`
 * after it, or `-` for NDJSON on standard output. The file appears under its name only when it is
 * whole. Throws a UsageError, before anything is touched, for a name it does not know and for a
 * folder that does not exist.
 */
export function createSink(out: string, options: SinkOptions = {}): Sink {
  const { format, compression } = parseOutputName(out);
  const target = openTarget(out, compression, options);
  if (format !== 'ndjson') {
    const { columns, answers, onWarning } = options;
    return new CsvSink(target, { delimiter: DELIMITERS[format], columns, answers, onWarning });
  }
  return options.flat
    ? new FlatNdjsonSink(target, options.columns ?? [], options.answers)
    : new NdjsonSink(target);
}

/** Reads the format off a name, or throws a UsageError that names what is known. */
export function parseOutputName(out: string): OutputName {
  if (out === '-') return { format: 'ndjson', compression: null };
  const match = /^(?<base>.*?)(?:\.(?<packed>gz|zst))?$/is.exec(out);
  const base = (match?.groups?.base ?? out).toLowerCase();
  const compression = (match?.groups?.packed?.toLowerCase() ?? null) as Compression | null;
  for (const [extension, format] of Object.entries(FORMATS)) {
    if (base.endsWith(extension)) return { format, compression };
  }
  if (base.endsWith('.parquet')) {
    throw new UsageError(
      `cannot write ${out}: parquet is not in this version; write .ndjson or .csv`,
    );
  }
  throw new UsageError(
    `cannot tell the format of ${out}: its name must end in ${Object.keys(FORMATS).join(', ')}, each also with .gz or .zst, or be - for standard output`,
  );
}

function openTarget(
  out: string,
  compression: Compression | null,
  options: SinkOptions,
): ByteTarget {
  if (out === '-') return new StreamTarget(options.stdout ?? process.stdout);
  checkPlace(out);
  const file = new FileTarget(out);
  return compression === null ? file : new CompressedTarget(file, compression);
}

/** Hours lie between the start and the first row: a bad place is told at the start. */
function checkPlace(out: string): void {
  const folder = dirname(out);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`cannot write ${out}: there is no folder ${folder}; make it first`);
  }
  const found = lstatSync(out, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    throw new UsageError(`cannot write ${out}: it is a directory; name a file`);
  }
  if (found?.isSymbolicLink()) {
    throw new UsageError(`cannot write ${out}: it is a symbolic link; name its target`);
  }
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new UsageError(`cannot write ${out}: no right to write in ${folder}`, { cause });
  }
}
