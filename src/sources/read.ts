import { createReadStream } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import type { SourceItem } from '../core/record.ts';
import { EachOf } from '../streams/batches.ts';
import { readBlocks } from '../streams/blocks.ts';
import { abortable } from '../streams/stage.ts';
import { BatchFileParser } from './batch-file.ts';
import { type CsvOptions, CsvParser } from './csv.ts';
import { CsvRecords } from './csv-records.ts';
import { describeSource, type SourceDescription, type SourceOptions } from './describe.ts';
import { readIterable } from './iterable.ts';
import { arrayParser, parseJson } from './json.ts';
import { NdjsonParser } from './ndjson.ts';
import { type RecordParser, readItems, type StartAt } from './parser.ts';
import { CsvJson } from './raw/csv-json.ts';
import { Desk } from './raw/desk.ts';
import { KnownLines, MOST_SHAPES } from './raw/known-lines.ts';
import { rawMemory } from './raw/memory.ts';
import { MOST_PLACES, type RawWish } from './raw/raw-wish.ts';
import { ReplayedInput } from './replay.ts';
import { unpackedBytes } from './unpack.ts';

/**
 * Records that were read together, each made when it is taken, so that few of them live at a time. All
 * are to be taken before the next batch is asked for.
 */
export interface SourceBatch {
  readonly items: Iterable<SourceItem<unknown>>;
  /** Where reading can go on behind the last of them, or null when the source cannot be jumped into. */
  next(): StartAt | null;
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
   * Give records as RawRecords that fulfil this, where their format allows it; others come as objects.
   * A record is then valid only until the one after the next is taken.
   */
  readonly raw?: RawWish | undefined;
}

/**
 * The records of a range in batches of a piece of input each. Positions are those of the whole
 * source. Throws at the first rejected record when the source is strict.
 */
export async function* readPartition(
  source: SourceDescription,
  range: SourceRange = WHOLE_SOURCE,
  options: ReadOptions = {},
): AsyncGenerator<SourceBatch, void, undefined> {
  const { blocks, next } = beginReading(source, range, options);
  for await (const items of blocks) yield { items, next };
}

interface Reading {
  readonly blocks: AsyncIterable<Iterable<SourceItem<unknown>>>;
  /** See SourceBatch. */
  next(): StartAt | null;
}

function beginReading(
  source: SourceDescription,
  range: SourceRange,
  options: ReadOptions,
): Reading {
  const { signal } = options;
  const start = Math.max(range.start, source.start);
  if (!source.seekable && (start > 0 || range.end !== null)) {
    throw new UsageError(`${source.label} can only be read as a whole`);
  }
  if (source.format === 'json') {
    return { blocks: documentBlocks(source, options), next: () => null };
  }
  const raw = rawReader(source, options.raw);
  const parser = parserOf(source, { byte: start, row: range.row }, raw);
  const bytes =
    source.seekable && source.path !== null
      ? readBlocks(source.path, { start, end: range.end, signal })
      : abortable(unpackedBytes(source, rawBytes(source, options), signal), signal);
  return {
    blocks: closing(raw.desk, readItems(bytes, parser, source.strict)),
    next: () => (source.seekable ? parser.boundary : null),
  };
}

/** Closes the desk, if there is one, behind the last block. */
async function* closing<T>(
  desk: Desk | undefined,
  blocks: AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  try {
    yield* blocks;
  } finally {
    desk?.close();
  }
}

async function* documentBlocks(
  source: SourceDescription,
  options: ReadOptions,
): AsyncGenerator<Iterable<SourceItem<unknown>>, void, undefined> {
  const common = { source: source.label, maxRecordBytes: source.maxRecordBytes };
  const { signal } = options;
  const bytes = unpackedBytes(source, rawBytes(source, options), signal);
  const input = new ReplayedInput(bytes);
  const { desk, lines } = rawReader(source, options.raw);
  try {
    const array = await arrayParser(input, { ...common, raw: lines }, source.jsonPath);
    if (array !== null) {
      yield* readItems(abortable(input, signal), array, source.strict);
      return;
    }
  } finally {
    desk?.close();
  }
  const parse = parseJson({ ...common, strict: source.strict, path: source.jsonPath ?? '' });
  const records = parse(input, signal === undefined ? {} : { signal });
  for await (const { items } of readIterable(records, { signal })) yield items;
}

/** The items of a batch, each with where reading can go on behind it, or null when it cannot. */
export function* resumable(
  batch: SourceBatch,
): Generator<{ item: SourceItem<unknown>; next: StartAt | null }, void, undefined> {
  let last: SourceItem<unknown> | undefined;
  for (const item of batch.items) {
    if (last !== undefined) yield { item: last, next: startOf(item) };
    last = item;
  }
  if (last !== undefined) yield { item: last, next: batch.next() };
}

function startOf({ position }: SourceItem<unknown>): StartAt | null {
  return position.byte < 0 ? null : { byte: position.byte, row: position.row - 1 };
}

/** The records of a file by its name (`-` for standard input), one by one. */
export function openSource<T = unknown>(
  source: string | SourceDescription,
  options: SourceOptions & ReadOptions = {},
): AsyncIterableIterator<SourceItem<T>> {
  return new EachOf(openBlocks<T>(source, options), options.signal);
}

async function* openBlocks<T>(
  source: string | SourceDescription,
  options: SourceOptions & ReadOptions,
): AsyncGenerator<Iterable<SourceItem<T>>, void, undefined> {
  const described = typeof source === 'string' ? await describeSource(source, options) : source;
  const { blocks } = beginReading(described, WHOLE_SOURCE, options);
  yield* blocks as AsyncIterable<Iterable<SourceItem<T>>>;
}

function rawBytes(
  source: SourceDescription,
  { input, signal }: ReadOptions,
): AsyncIterable<Uint8Array> {
  if (source.path === null) return input ?? process.stdin;
  // A pipe has no places to read at, and what decompresses may look at a block later.
  if (source.bytes !== null && source.compression === null) {
    return readBlocks(source.path, { signal });
  }
  return createReadStream(source.path, { highWaterMark: 256 * 1024 });
}

/** What makes records raw, where that was asked for and can be done. */
interface RawReader {
  readonly desk?: Desk;
  readonly home?: Buffer;
  readonly maker?: NonNullable<CsvOptions['maker']>;
  readonly lines?: KnownLines;
}

function rawReader(source: SourceDescription, wish: RawWish | undefined): RawReader {
  if (wish === undefined) return {};
  const fields = 'fields' in wish ? wish.fields : null;
  if (source.format !== 'csv') {
    const desk = Desk.open(rawMemory(), fields?.length ?? MOST_PLACES, MOST_SHAPES);
    return desk === null ? {} : { desk, lines: new KnownLines(wish, desk) };
  }
  const desk = fields === null ? null : Desk.open(rawMemory(), fields.length, 1);
  if (fields === null || desk === null) return {};
  return {
    desk,
    home: desk.input,
    maker: (columns) =>
      CsvJson.takes(columns) ? new CsvJson(columns, fields, desk) : new CsvRecords(columns),
  };
}

function parserOf(
  source: SourceDescription,
  startAt: StartAt,
  raw: RawReader,
): RecordParser<unknown> {
  const common = { source: source.label, maxRecordBytes: source.maxRecordBytes, startAt };
  const withLines = { ...common, ...(raw.lines === undefined ? {} : { raw: raw.lines }) };
  switch (source.format) {
    case 'csv':
      return new CsvParser<unknown>({
        ...common,
        header: startAt.byte === 0 && source.header ? true : (source.columns ?? false),
        ...(source.delimiter === null ? {} : { delimiter: source.delimiter }),
        ...(source.newline === null ? {} : { newline: source.newline }),
        ...(raw.maker === undefined ? {} : { maker: raw.maker, home: raw.home }),
      });
    case 'batch':
      return new BatchFileParser(withLines);
    default:
      return new NdjsonParser(withLines);
  }
}
