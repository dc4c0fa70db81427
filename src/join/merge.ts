import { damaged, ordinalOf, resultLines } from './result-file.ts';

/** One file of rows sorted by ordinal, and the range that its ordinals lie in. */
export interface ResultFile {
  readonly path: string;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
  /** How many rows it must have; not checked when absent. */
  readonly rows?: number;
}

const BATCH_LINES = 512;

/**
 * The lines of all files in the order of their ordinals, in batches, each line without its newline.
 * A file is opened only when its range begins and closed when it is read, so that shards that follow
 * each other take one descriptor in all and only retry files come on top. Throws `damaged_result`
 * for an ordinal that comes twice or out of order, and for a file with fewer or more rows than said.
 */
export async function* mergeResults(
  files: readonly ResultFile[],
): AsyncGenerator<Buffer[], void, undefined> {
  const waiting = [...files].sort((a, b) => b.firstOrdinal - a.firstOrdinal);
  const open: LineCursor[] = [];
  let last = -1;
  let batch: Buffer[] = [];
  try {
    for (;;) {
      let next = smallest(open);
      while (waiting.length > 0) {
        if (next !== undefined && waiting.at(-1)!.firstOrdinal > next.ordinal) break;
        const cursor = new LineCursor(waiting.pop()!);
        open.push(cursor);
        if (!(await cursor.advance())) open.pop();
        next = smallest(open);
      }
      if (next === undefined) break;

      // Up to this ordinal nobody else has a word, so its lines need no comparing.
      const limit = Math.min(
        smallest(open, next)?.ordinal ?? Number.POSITIVE_INFINITY,
        waiting.at(-1)?.firstOrdinal ?? Number.POSITIVE_INFINITY,
      );
      do {
        if (next.ordinal <= last) {
          throw damaged(next.file.path, undefined, `ordinal ${next.ordinal} comes a second time`);
        }
        last = next.ordinal;
        batch.push(next.line);
        if (batch.length === BATCH_LINES) {
          yield batch;
          batch = [];
        }
        if (!next.step() && !(await next.advance())) {
          open.splice(open.indexOf(next), 1);
          break;
        }
      } while (next.ordinal < limit);
    }
    if (batch.length > 0) yield batch;
  } finally {
    for (const cursor of open) await cursor.close();
  }
}

/** The lines of the files one after another, as they were joined. */
export async function* arrivalOrder(
  paths: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Buffer[], void, undefined> {
  for await (const path of paths) yield* resultLines(path);
}

function smallest(open: readonly LineCursor[], except?: LineCursor): LineCursor | undefined {
  let best: LineCursor | undefined;
  for (const cursor of open) {
    if (cursor !== except && (best === undefined || cursor.ordinal < best.ordinal)) best = cursor;
  }
  return best;
}

/** Stands on one line of a file. */
class LineCursor {
  readonly file: ResultFile;
  line: Buffer = Buffer.alloc(0);
  ordinal = -1;
  readonly #blocks: AsyncGenerator<Buffer[], void, undefined>;
  #lines: readonly Buffer[] = [];
  #at = 0;
  #rows = 0;

  constructor(file: ResultFile) {
    this.file = file;
    this.#blocks = resultLines(file.path);
  }

  /** Goes to the next line if it is in memory. */
  step(): boolean {
    const line = this.#lines[this.#at];
    if (line === undefined) return false;
    this.#at++;
    this.#rows++;
    this.line = line;
    this.ordinal = ordinalOf(line, this.file.path);
    return true;
  }

  /** Goes to the next line, reading on; false at the end. */
  async advance(): Promise<boolean> {
    while (!this.step()) {
      const block = await this.#blocks.next();
      if (block.done) return this.#checkRows();
      this.#lines = block.value;
      this.#at = 0;
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
