import { damaged } from './damaged.ts';
import type { RowsBlock } from './deferred-rows.ts';
import { linesOf } from './line-blocks.ts';
import { ordinalAt } from './ordinal-at.ts';
import { resultBlocks } from './result-file.ts';

/** One file of rows sorted by ordinal, and the range that its ordinals lie in. */
export interface ResultFile {
  readonly path: string;
  /** The shard whose rows they are, if they are one's. */
  readonly shard?: string;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
  /** How many rows it must have; not checked when absent. */
  readonly rows?: number;
}

/** Whole lines that follow each other in one block, each with its newline. */
export interface RowRun {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly rows: number;
}

export interface RunOptions {
  /** Whether blocks are used again: then a run is valid until the second next. Default false. */
  readonly reuse?: boolean;
  /** Resolves once nobody looks at the runs given so far; asked for with `reuse` where a file ends. */
  readonly released?: () => Promise<void>;
}

/**
 * The lines of all files in the order of their ordinals, in runs as long as they lie in one file. A
 * file is opened only when its range begins and closed when it is read, so that shards that follow
 * each other take one descriptor in all and only retry files come on top. Throws `damaged_result`
 * for an ordinal that comes twice or out of order, and for a file with fewer or more rows than said.
 */
export async function* mergeRuns(
  files: readonly ResultFile[],
  options: RunOptions = {},
): AsyncGenerator<RowRun, void, undefined> {
  const waiting = [...files].sort((a, b) => b.firstOrdinal - a.firstOrdinal);
  const open: LineCursor[] = [];
  let last = -1;
  try {
    for (;;) {
      let next = smallest(open);
      while (waiting.length > 0) {
        if (next !== undefined && waiting.at(-1)!.firstOrdinal > next.ordinal) break;
        const cursor = new LineCursor(waiting.pop()!, options);
        open.push(cursor);
        if (!(await cursor.advance())) open.pop();
        next = smallest(open);
      }
      if (next === undefined) return;

      // Up to this ordinal nobody else has a word, so its lines need no comparing.
      const limit = Math.min(
        smallest(open, next)?.ordinal ?? Number.POSITIVE_INFINITY,
        waiting.at(-1)?.firstOrdinal ?? Number.POSITIVE_INFINITY,
      );
      const whole = next.wholeBlock(last, limit);
      if (whole !== null) {
        last = next.ordinal;
        yield whole;
        if (!(await next.advance())) open.splice(open.indexOf(next), 1);
        continue;
      }
      const { buffer, start } = next;
      let end = start;
      let rows = 0;
      let more = true;
      while (more && next.ordinal < limit) {
        if (next.ordinal <= last) {
          throw damaged(next.file.path, undefined, `ordinal ${next.ordinal} comes a second time`);
        }
        last = next.ordinal;
        end = next.end;
        rows++;
        more = next.step();
      }
      // Two files with the same ordinal: none of them may go first.
      if (rows === 0) {
        throw damaged(next.file.path, undefined, `ordinal ${next.ordinal} comes a second time`);
      }
      yield { buffer, start, end, rows };
      if (!more && !(await next.advance())) open.splice(open.indexOf(next), 1);
    }
  } finally {
    for (const cursor of open) await cursor.close();
  }
}

/** The lines of the files one after another, as they were joined, in runs. */
export async function* arrivalRuns(
  paths: Iterable<string> | AsyncIterable<string>,
  options: RunOptions = {},
): AsyncGenerator<RowRun, void, undefined> {
  for await (const path of paths) {
    for await (const { buffer, start, end, known } of resultBlocks(path, options)) {
      yield { buffer, start, end, rows: known?.rows ?? countLines(buffer, start, end) };
    }
  }
}

/** The lines of `mergeRuns`, in batches, each without its newline. */
export async function* mergeResults(
  files: readonly ResultFile[],
): AsyncGenerator<Buffer[], void, undefined> {
  for await (const run of mergeRuns(files)) yield linesOf(run);
}

/** The lines of `arrivalRuns`, in batches, each without its newline. */
export async function* arrivalOrder(
  paths: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Buffer[], void, undefined> {
  for await (const run of arrivalRuns(paths)) yield linesOf(run);
}

function countLines(buffer: Buffer, start: number, end: number): number {
  let lines = 0;
  for (let at = start; at < end; at = buffer.indexOf(NEWLINE, at) + 1) lines++;
  return lines;
}

function smallest(open: readonly LineCursor[], except?: LineCursor): LineCursor | undefined {
  let best: LineCursor | undefined;
  for (const cursor of open) {
    if (cursor !== except && (best === undefined || cursor.ordinal < best.ordinal)) best = cursor;
  }
  return best;
}

const NEWLINE = 0x0a;

/** Stands on one line of a file, `buffer[start, end)` with its newline. */
class LineCursor {
  readonly file: ResultFile;
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  ordinal = -1;
  readonly #blocks: AsyncGenerator<RowsBlock, void, undefined>;
  #block: RowsBlock | null = null;
  #blockEnd = 0;
  #rows = 0;

  constructor(file: ResultFile, options: RunOptions) {
    this.file = file;
    this.#blocks = resultBlocks(file.path, options);
  }

  /** Goes to the next line of the block; false at its end. */
  step(): boolean {
    if (this.end >= this.#blockEnd) return false;
    this.start = this.end;
    this.end = this.buffer.indexOf(NEWLINE, this.start) + 1;
    this.#rows++;
    this.ordinal = ordinalAt(this.buffer, this.start, this.end, this.file.path);
    return true;
  }

  /**
   * The whole block, when it stands on its first line and all its ordinals are known to lie between
   * the two; then it stands on the last line.
   */
  wholeBlock(after: number, before: number): RowRun | null {
    const block = this.#block;
    const known = block?.known;
    if (block === null || known === undefined || this.start !== block.start) return null;
    if (known.first <= after || known.last >= before) return null;
    this.end = block.end;
    this.ordinal = known.last;
    this.#rows += known.rows - 1;
    return { buffer: block.buffer, start: block.start, end: block.end, rows: known.rows };
  }

  /** Goes to the next line, reading on; false at the end. */
  async advance(): Promise<boolean> {
    while (!this.step()) {
      const block = await this.#blocks.next();
      if (block.done) return this.#checkRows();
      this.#block = block.value;
      this.buffer = block.value.buffer;
      this.end = block.value.start;
      this.#blockEnd = block.value.end;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#blocks.return();
  }

  #checkRows(): false {
    const { path, rows } = this.file;
    if (rows !== undefined && rows !== this.#rows) {
      throw damaged(path, undefined, `${this.#rows} rows where ${rows} were written`);
    }
    return false;
  }
}
