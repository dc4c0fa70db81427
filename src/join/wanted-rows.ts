import type { FileHandle } from 'node:fs/promises';
import { corruptShard } from '../shards/format.ts';
import { type ShardPaths, shardPaths } from '../shards/paths.ts';
import { openPrivate } from '../streams/files.ts';
import { lineBlocks } from './line-blocks.ts';
import { LineFinder } from './line-finder.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { LineFeed, type ShardLine, ShardRow } from './shard-rows.ts';

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
 * order, and awaits it where it gives a promise. Reads no further than to the last of them; where the
 * ids follow from the ordinals, only where they should lie. Throws `corrupt_shard`, naming the file
 * and the line, when the files are not as they were sealed.
 */
export async function forRows(
  directory: string,
  name: string,
  ordinals: OrdinalRange | undefined,
  wanted: Iterable<number>,
  visit: (row: ShardRow, place: number) => void | Promise<void>,
): Promise<void> {
  const paths = shardPaths(directory, name);
  const sources: LineSource[] = [];
  try {
    for await (const source of openBoth(paths, ordinals)) sources.push(source);
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

async function* openBoth(
  { requests, records }: ShardPaths,
  ordinals: OrdinalRange | undefined,
): AsyncGenerator<LineSource, void, undefined> {
  if (ordinals === undefined) {
    yield new FollowedLines(requests);
    yield new FollowedLines(records);
  } else {
    const id = JSON.stringify(ordinals.prefix).slice(0, -1);
    yield await FoundLines.open(requests, `{"custom_id":${id}`, ordinals);
    yield await FoundLines.open(records, '{"ordinal":', ordinals);
  }
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

  static async open(path: string, prefix: string, { first, rows }: OrdinalRange) {
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
