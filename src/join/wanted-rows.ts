import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { corruptShard } from '../shards/format.ts';
import { type ShardPaths, shardPaths } from '../shards/paths.ts';
import { openPrivate } from '../streams/files.ts';
import { lineBlocks } from './line-blocks.ts';
import { LineFinder } from './line-finder.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { LineFeed, NO_LINE, type ShardLine, ShardRow } from './shard-rows.ts';

const NEWLINE = 0x0a;
/** As much of a record line as says its ordinal. */
const ORDINAL_LINE_BYTES = 64;
/** More than most last lines of a file are long. */
const LAST_LINE_BYTES = 64 * 1024; // 64 KiB

/** One file of a shard. */
interface LineSource {
  /** The line it stands on. */
  readonly line: ShardLine;
  /** Goes to the line `place`, from 0, which is behind the last one asked for; false when it is missing. */
  goTo(place: number): boolean | Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Calls `visit` for the rows of a sealed shard that `wanted` names by their place, from 0 and in
 * order, and awaits it where it gives a promise. Reads only where they lie, as far as that is known, and
 * no further than to the last of them. Throws `corrupt_shard`, naming the file
 * and the line, when the files are not as they were sealed.
 */
export async function forRows(
  directory: string,
  name: string,
  places: RowPlaces,
  wanted: Iterable<number>,
  visit: (row: ShardRow, place: number) => void | Promise<void>,
): Promise<void> {
  const paths = shardPaths(directory, name);
  const sources: LineSource[] = [];
  try {
    for await (const source of openBoth(paths, places)) sources.push(source);
    const [requests, records] = sources as [LineSource, LineSource];
    const row = new ShardRow(requests.line, records.line);
    for (const place of wanted) {
      for (const [source, path] of [
        [requests, paths.requests],
        [records, paths.records],
      ] as const) {
        const there = source.goTo(place);
        if (there === true || (there !== false && (await there))) continue;
        throw corruptShard(path, place + 1, 'the line is missing');
      }
      if (!row.readRequest()) {
        throw corruptShard(paths.requests, place + 1, 'this is no request line');
      }
      if (!row.readRecord()) {
        throw corruptShard(paths.records, place + 1, 'this is no record line');
      }
      const visited = visit(row, place);
      if (visited !== undefined) await visited;
    }
  } finally {
    for (const source of sources) await source.close();
  }
}

/** What is known of where the rows of a shard lie: their ordinals, or where their requests end. */
export type RowPlaces =
  | OrdinalRange
  | { readonly rows: number; readonly requestEnds: Float64Array | null };

async function* openBoth(
  { requests, records }: ShardPaths,
  places: RowPlaces,
): AsyncGenerator<LineSource, void, undefined> {
  if ('first' in places) {
    const id = JSON.stringify(places.prefix).slice(0, -1);
    yield await FoundLines.open(requests, `{"custom_id":${id}`, places);
    yield await FoundLines.open(records, '{"ordinal":', places);
    return;
  }
  const { rows, requestEnds } = places;
  yield requestEnds === null
    ? new FollowedLines(requests)
    : await ListedLines.open(requests, requestEnds);
  const first = await firstOfRun(records, rows);
  yield first === null
    ? new FollowedLines(records)
    : await FoundLines.open(records, '{"ordinal":', { first, rows });
}

/** The ordinal of the first record, when those of the others follow it one by one; else null. */
async function firstOfRun(path: string, rows: number): Promise<number | null> {
  const handle = await openPrivate(path, 'r');
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(ORDINAL_LINE_BYTES);
    await handle.read(head, 0, head.length, 0);
    const tail = Buffer.alloc(Math.min(size, LAST_LINE_BYTES));
    await handle.read(tail, 0, tail.length, size - tail.length);
    // The last byte is the last line's own newline.
    const last = tail.lastIndexOf(NEWLINE, -2) + 1;
    if (last === 0 && tail.length < size) return null;
    const [from, to] = [ordinalOf(head, 0), ordinalOf(tail, last)];
    // Ordinals go up from line to line, so that none is left out where these fit.
    return from !== null && to === from + rows - 1 ? from : null;
  } finally {
    await handle.close();
  }
}

function ordinalOf(bytes: Buffer, start: number): number | null {
  const text = bytes.toString('latin1', start, start + ORDINAL_LINE_BYTES);
  const digits = /^\{"ordinal":(\d+),/.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Reads all lines, one after the other. */
class FollowedLines implements LineSource {
  readonly line = new LineFeed();
  readonly #blocks: ReturnType<typeof lineBlocks>;
  #place = -1;

  constructor(path: string) {
    this.#blocks = lineBlocks(path, { reuse: true });
  }

  goTo(place: number): boolean | Promise<boolean> {
    const lines = place - this.#place;
    this.#place = place;
    return this.line.skip(lines) || this.line.reach(this.#blocks);
  }

  async close(): Promise<void> {
    await this.#blocks.return();
  }
}

/** Reads the lines whose places are known. */
class ListedLines implements LineSource {
  readonly #handle: FileHandle;
  readonly #ends: Float64Array;
  readonly line = { ...NO_LINE };

  private constructor(handle: FileHandle, ends: Float64Array) {
    this.#handle = handle;
    this.#ends = ends;
  }

  static async open(path: string, ends: Float64Array) {
    return new ListedLines(await openPrivate(path, 'r'), ends);
  }

  goTo(place: number): boolean {
    const start = place === 0 ? 0 : this.#ends[place - 1]!;
    const length = this.#ends[place]! - start;
    const { line } = this;
    if (line.buffer.length < length) line.buffer = Buffer.allocUnsafeSlow(2 * length);
    const count = readSync(this.#handle.fd, line.buffer, 0, length, start);
    line.end = length - 1;
    // The last line of a file may lack its newline.
    line.buffer[line.end] = NEWLINE;
    return count >= length - 1;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Reads where the lines should be. */
class FoundLines implements LineSource {
  readonly line: LineFinder;
  readonly #handle: FileHandle;
  readonly #first: number;

  private constructor(handle: FileHandle, line: LineFinder, first: number) {
    this.#handle = handle;
    this.line = line;
    this.#first = first;
  }

  static async open(
    path: string,
    prefix: string,
    { first, rows }: Pick<OrdinalRange, 'first' | 'rows'>,
  ) {
    const handle = await openPrivate(path, 'r');
    const { size: bytes } = await handle.stat();
    const file = { fd: handle.fd, bytes, prefix: Buffer.from(prefix), first, lines: rows };
    return new FoundLines(handle, new LineFinder(file), first);
  }

  goTo(place: number): boolean {
    return this.line.find(this.#first + place);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
