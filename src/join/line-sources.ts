import { openPrivate } from '../streams/files.ts';
import { FilePart } from './file-part.ts';
import { lineBlocks } from './line-blocks.ts';
import { LineFinder } from './line-finder.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { LineFeed, NO_LINE, type ShardLine } from './shard-rows.ts';

const NEWLINE = 0x0a;
/** As much of a record line as says its ordinal. */
const ORDINAL_LINE_BYTES = 64;
/** More than most last lines of a file are long. */
const LAST_LINE_BYTES = 64 * 1024; // 64 KiB

/** What is known of where the rows of a shard lie: their ordinals, or where their requests end. */
export type RowPlaces =
  | OrdinalRange
  | { readonly rows: number; readonly requestEnds: Float64Array | null };

/** One file of a shard. */
export interface LineSource {
  /** The line it stands on. */
  readonly line: ShardLine;
  /** Goes to the line `place`, from 0, which is behind the last one asked for; false when it is missing. */
  goTo(place: number): boolean | Promise<boolean>;
  close(): Promise<void>;
}

/** The requests of a shard, in the way that suits what is known of them. */
export async function openRequests(path: string, places: RowPlaces): Promise<LineSource> {
  if ('first' in places) {
    return FoundLines.open(
      path,
      `{"custom_id":${JSON.stringify(places.prefix).slice(0, -1)}`,
      places,
    );
  }
  const { requestEnds } = places;
  return requestEnds === null ? new FollowedLines(path) : ListedLines.open(path, requestEnds);
}

/** The records of a shard, likewise. */
export async function openRecords(path: string, places: RowPlaces): Promise<LineSource> {
  const first = 'first' in places ? places.first : await firstOfRun(path, places.rows);
  if (first === null) return new FollowedLines(path);
  return FoundLines.open(path, '{"ordinal":', { first, rows: places.rows });
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
  readonly line = { ...NO_LINE };
  readonly #part: FilePart;
  readonly #ends: Float64Array;

  private constructor(part: FilePart, ends: Float64Array) {
    this.#part = part;
    this.#ends = ends;
  }

  static async open(path: string, ends: Float64Array) {
    return new ListedLines(await FilePart.open(path), ends);
  }

  goTo(place: number): boolean | Promise<boolean> {
    const start = place === 0 ? 0 : this.#ends[place - 1]!;
    const newline = this.#ends[place]! - 1;
    while (!this.#isHere(start, newline)) {
      const more = this.#part.reach(start);
      if (more === false) return false;
      if (more !== true) return more.then((there) => there && this.goTo(place));
    }
    return true;
  }

  close(): Promise<void> {
    return this.#part.close();
  }

  #isHere(start: number, newline: number): boolean {
    const part = this.#part;
    if (!part.has(start) || !part.has(Math.min(newline, part.bytes - 1))) return false;
    const { line } = this;
    line.buffer = part.buffer;
    line.start = start - part.origin;
    line.end = newline - part.origin;
    // The last line of a file may lack its newline.
    if (newline >= part.bytes) this.#addNewline();
    return true;
  }

  #addNewline(): void {
    const { buffer, start, end } = this.line;
    this.line.buffer = Buffer.concat([buffer.subarray(start, end), Buffer.of(NEWLINE)]);
    this.line.start = 0;
    this.line.end = end - start;
  }
}

/** Reads where the lines should be. */
class FoundLines implements LineSource {
  readonly line: LineFinder;
  readonly #part: FilePart;
  readonly #first: number;

  private constructor(part: FilePart, line: LineFinder, first: number) {
    this.#part = part;
    this.line = line;
    this.#first = first;
  }

  static async open(
    path: string,
    prefix: string,
    { first, rows }: Pick<OrdinalRange, 'first' | 'rows'>,
  ) {
    const part = await FilePart.open(path);
    const file = { part, prefix: Buffer.from(prefix), first, lines: rows };
    return new FoundLines(part, new LineFinder(file), first);
  }

  goTo(place: number): boolean | Promise<boolean> {
    return this.line.find(this.#first + place);
  }

  close(): Promise<void> {
    return this.#part.close();
  }
}
