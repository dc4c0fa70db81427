import { createReadStream } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import type { SourceItem } from '../core/record.ts';
import { readBlocks } from '../streams/blocks.ts';
import { abortable } from '../streams/stage.ts';
import { BatchFileParser } from './batch-file.ts';
import { type CsvOptions, CsvParser } from './csv.ts';
import { CsvRecords } from './csv-records.ts';
import { describeSource, type SourceDescription, type SourceOptions } from './describe.ts';
import { readIterable } from './iterable.ts';
import { parseJson } from './json.ts';
import { beginsArray, JsonArrayParser } from './json-array.ts';
import { NdjsonParser } from './ndjson.ts';
import { accepted, type RecordParser, type StartAt } from './parser.ts';
import { Arena } from './raw/arena.ts';
import { CsvJson } from './raw/csv-json.ts';
import { NdjsonJson } from './raw/ndjson-json.ts';
import { ReplayedInput } from './replay.ts';
import { unpackedBytes } from './unpack.ts';

/** Records that were read together. Never empty. */
export interface SourceBatch {
  readonly items: readonly SourceItem<unknown>[];
  /** Where reading can go on behind the last of them, or null when the source cannot be jumped into. */
  readonly next: StartAt | null;
}

/** A part of a source that begins at a record, or the whole of it. */
export interface SourceRange {
  /** Offset of a record boundary; anything up to the source's `start` is its beginning. */
  readonly start: number;
  /** Offset behind the last record, or null for the end of the source. */
  readonly end: number | null;
  /** Rows of the source before `start`. */
  readonly row: number;
}

export const WHOLE_SOURCE: SourceRange = { start: 0, end: null, row: 0 };

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** The bytes of standard input; default `process.stdin`. */
  readonly input?: AsyncIterable<Uint8Array>;
  /**
   * Give records as RawRecords, with the places of these fields, where their format allows it; others
   * come as objects. A batch is then valid only until the next one is asked for.
   */
  readonly rawFields?: readonly string[] | undefined;
}

/**
 * The records of a range in batches of one block of input each. Positions are those of the whole
 * source. Throws at the first rejected record when the source is strict.
 */
export async function* readPartition(
  source: SourceDescription,
  range: SourceRange = WHOLE_SOURCE,
  options: ReadOptions = {},
): AsyncGenerator<SourceBatch, void, undefined> {
  const { signal } = options;
  const start = Math.max(range.start, source.start);
  if (!source.seekable && (start > 0 || range.end !== null)) {
    throw new UsageError(`${source.label} can only be read as a whole`);
  }
  if (source.format === 'json') {
    yield* readDocument(source, options);
    return;
  }
  const raw = rawReader(source, options.rawFields);
  const parser = parserOf(source, { byte: start, row: range.row }, raw);
  const batch = (items: SourceItem<unknown>[]): SourceBatch => {
    if (source.strict) items.forEach(accepted);
    return { items, next: source.seekable ? parser.boundary : null };
  };
  const bytes =
    source.seekable && source.path !== null
      ? readBlocks(source.path, { start, end: range.end, signal })
      : abortable(unpackedBytes(source, rawBytes(source, options.input), signal), signal);
  for await (const block of bytes) {
    raw.arena?.reset();
    const items = parser.push(block);
    if (items.length > 0) yield batch(items);
  }
  raw.arena?.reset();
  const items = parser.flush();
  if (items.length > 0) yield batch(items);
}

/** A JSON document, whose records come one by one, in batches. */
async function* readDocument(
  source: SourceDescription,
  options: ReadOptions,
): AsyncGenerator<SourceBatch, void, undefined> {
  const parse = parseJson({
    source: source.label,
    strict: source.strict,
    maxRecordBytes: source.maxRecordBytes,
    path: source.jsonPath ?? '',
  });
  const { signal } = options;
  const bytes = unpackedBytes(source, rawBytes(source, options.input), signal);
  const input = new ReplayedInput(bytes);
  if (source.jsonPath !== null || !(await beginsArray(input))) {
    yield* readIterable(parse(input, signal === undefined ? {} : { signal }), { signal });
    return;
  }
  const array = new JsonArrayParser({
    source: source.label,
    maxRecordBytes: source.maxRecordBytes,
  });
  for await (const block of abortable(input, signal)) {
    const items = array.push(block);
    if (source.strict) items.forEach(accepted);
    if (items.length > 0) yield { items, next: null };
  }
  array.flush();
}

/** Where reading can go on behind item `index` of the batch, or null when it cannot. */
export function resumePoint(batch: SourceBatch, index: number): StartAt | null {
  const following = batch.items[index + 1];
  if (batch.next === null || following === undefined) return batch.next;
  return { byte: following.position.byte, row: following.position.row - 1 };
}

/** The records of a file by its name (`-` for standard input), one by one. */
export async function* openSource<T = unknown>(
  source: string | SourceDescription,
  options: SourceOptions & ReadOptions = {},
): AsyncGenerator<SourceItem<T>, void, undefined> {
  const described = typeof source === 'string' ? await describeSource(source, options) : source;
  for await (const batch of readPartition(described, WHOLE_SOURCE, options)) {
    for (const item of batch.items) {
      options.signal?.throwIfAborted();
      yield item as SourceItem<T>;
    }
  }
}

function rawBytes(
  source: SourceDescription,
  input: AsyncIterable<Uint8Array> | undefined,
): AsyncIterable<Uint8Array> {
  if (source.path === null) return input ?? process.stdin;
  return createReadStream(source.path, { highWaterMark: 256 * 1024 });
}

/** What makes records raw, where that was asked for and can be done. */
interface RawReader {
  readonly arena?: Arena;
  readonly maker?: NonNullable<CsvOptions['maker']>;
  readonly lines?: NdjsonJson;
}

function rawReader(source: SourceDescription, fields: readonly string[] | undefined): RawReader {
  if (fields === undefined) return {};
  const arena = new Arena();
  if (source.format === 'ndjson') return { arena, lines: new NdjsonJson(fields, arena) };
  if (source.format !== 'csv') return {};
  return {
    arena,
    maker: (columns) =>
      CsvJson.takes(columns) ? new CsvJson(columns, fields, arena) : new CsvRecords(columns),
  };
}

function parserOf(
  source: SourceDescription,
  startAt: StartAt,
  raw: RawReader,
): RecordParser<unknown> {
  const common = { source: source.label, maxRecordBytes: source.maxRecordBytes, startAt };
  switch (source.format) {
    case 'csv':
      return new CsvParser<unknown>({
        ...common,
        header: startAt.byte === 0 && source.header ? true : (source.columns ?? false),
        ...(source.delimiter === null ? {} : { delimiter: source.delimiter }),
        ...(source.newline === null ? {} : { newline: source.newline }),
        ...(raw.maker === undefined ? {} : { maker: raw.maker }),
      });
    case 'batch':
      return new BatchFileParser(common);
    default:
      return new NdjsonParser({
        ...common,
        ...(raw.lines === undefined ? {} : { raw: raw.lines }),
      });
  }
}
