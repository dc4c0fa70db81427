import { Readable } from 'node:stream';
import { UsageError } from '../core/errors.ts';
import type { Partition, SourceSpec } from '../core/job.ts';
import {
  describeInput,
  describeSource,
  type SourceDescription,
  type SourceOptions,
} from '../sources/describe.ts';
import { expandGlobs } from '../sources/globs.ts';
import { readIterable } from '../sources/iterable.ts';
import type { RawWish } from '../sources/raw/raw-wish.ts';
import { readPartition, type SourceBatch } from '../sources/read.ts';
import { toSourceSpec } from '../sources/spec.ts';

/** Paths, a stream of bytes or of records, or any iterable of records. */
export type JobSource<T> = string | readonly string[] | Readable | Iterable<T> | AsyncIterable<T>;

/** One thing to read, and how: a file, standard input, a stream of bytes, or records. */
export interface OpenSource {
  readonly spec: SourceSpec;
  /** Null for records. */
  readonly description: SourceDescription | null;
  read(
    partition: Partition,
    row: number,
    signal: AbortSignal | undefined,
    /** Give records as bytes that fulfil this, where that can be. */
    raw?: RawWish,
  ): AsyncIterable<SourceBatch>;
}

/** Opens what a job reads, in its order; nothing is read yet but names and headers. */
export async function openSources<T>(
  source: JobSource<T>,
  sourceOptions: SourceOptions = {},
): Promise<OpenSource[]> {
  if (typeof source === 'string' || isPaths(source)) {
    const paths = await expandGlobs(typeof source === 'string' ? [source] : source);
    return Promise.all(paths.map((path) => openPath(path, sourceOptions)));
  }
  if (source instanceof Readable && !source.readableObjectMode) {
    return [await openInput(source, sourceOptions)];
  }
  if (typeof source !== 'object' || source === null || !isIterable(source)) {
    throw new UsageError('the source is no path, no stream and no iterable of records');
  }
  return [openRecords(source as Iterable<T> | AsyncIterable<T>)];
}

function isIterable(source: object): boolean {
  return Symbol.iterator in source || Symbol.asyncIterator in source;
}

function isPaths(source: unknown): source is readonly string[] {
  return Array.isArray(source) && source.length > 0 && source.every((p) => typeof p === 'string');
}

async function openPath(path: string, options: SourceOptions): Promise<OpenSource> {
  if (path === '-') return openInput(process.stdin, options);
  return openDescribed(await describeSource(path, options));
}

async function openInput(
  bytes: AsyncIterable<Uint8Array>,
  options: SourceOptions,
): Promise<OpenSource> {
  const { source, input } = await describeInput(bytes, options);
  return openDescribed(source, input);
}

/** Opens what is described already; `input` is what its bytes come from, if not from its file. */
export function openDescribed(
  description: SourceDescription,
  input?: AsyncIterable<Uint8Array>,
): OpenSource {
  return {
    spec: toSourceSpec(description),
    description,
    read(partition, row, signal, raw) {
      const { progress } = partition;
      const range =
        progress.resumeAt === null
          ? { start: partition.start, end: partition.end, row }
          : { start: progress.resumeAt, end: partition.end, row: progress.row };
      return readPartition(description, range, {
        signal,
        raw,
        ...(input === undefined ? {} : { input }),
      });
    },
  };
}

function openRecords<T>(records: Iterable<T> | AsyncIterable<T>): OpenSource {
  return {
    spec: { path: null, label: '<records>', bytes: null, mtime: null, columns: null, options: {} },
    description: null,
    read: (_partition, _row, signal) => readIterable(records, { signal }),
  };
}
