import { errorCode, MillraceError } from '../core/errors.ts';
import type { RowAttempt } from '../core/result.ts';
import { corruptShard } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import { AnswerReader } from './answer-reader.ts';
import { AnswerRoom } from './answer-room.ts';
import { damaged } from './damaged.ts';
import { ALL_ROWS, BLOCK_FULL, NEED_ANSWERS, NEED_RECORDS } from './kernel/layout.ts';
import { type LineBlock, type LineBlockOptions, lineBlocks, linesIfThere } from './line-blocks.ts';
import { ordinalAt } from './ordinal-at.ts';
import { downloadPath, shardOfResults } from './paths.ts';
import { RowBlock } from './row-block.ts';
import type { RowIndex, RowIndexHead } from './row-index.ts';
import { type KnownRows, RowKernel } from './row-kernel.ts';
import { OK_AND_RECORD, okEnd, startResponse, startRow } from './row-lines.ts';
import { LineFeed, NO_LINE, type ShardLine, ShardRow } from './shard-rows.ts';

/** Whole rows, and what is known of their ordinals without looking at them. */
export interface RowsBlock extends LineBlock {
  readonly known?: KnownRows;
}

/**
 * The rows of a shard whose ok rows were left in the downloads and the records: puts them together
 * from there, and puts the rows that were written to `path` between them. A block is valid until the
 * second next one is asked for, with `reuse`, and at the end until `released`. Throws `results_gone`, `corrupt_shard` or
 * `damaged_result` when one of the files is not as the join left it.
 */
export async function* deferredRows(
  path: string,
  index: RowIndex,
  options: LineBlockOptions = {},
): AsyncGenerator<RowsBlock, void, undefined> {
  const { directory, name } = shardOfResults(path);
  const recordsPath = shardPaths(directory, name).records;
  const { head } = index;
  const answers = await openAnswers(directory, name, head);
  const firstTry = { batch: head.batch, code: 'ok', at: head.at };
  const kernel = new RowKernel(index, answers.bytes, Buffer.from(okEnd([firstTry])));
  index.end();
  const records = lineBlocks(recordsPath, { buffers: kernel.recordBlocks });
  const room = new AnswerRoom(answers, kernel);
  const written = new WrittenRows(path);
  const other = new OtherRows(recordsPath, kernel, answers, written, firstTry);
  let offset = 0;
  const place = (buffer: Buffer, known: KnownRows): RowsBlock => {
    const from = offset;
    offset += buffer.length;
    return { buffer, start: 0, end: buffer.length, offset: from, known };
  };
  const take = (): RowsBlock => {
    const { buffer, known } = kernel.takeBlock();
    return place(options.reuse ? buffer : Buffer.from(buffer), known);
  };
  try {
    await written.advance();
    for (let wants = kernel.compose(); wants !== ALL_ROWS; wants = kernel.compose()) {
      if (wants === BLOCK_FULL) {
        yield take();
        continue;
      }
      if (wants === NEED_ANSWERS) {
        await room.fill();
        continue;
      }
      let line: ShardLine | null = null;
      if (wants === NEED_RECORDS) {
        const block = await records.next();
        if (block.done) throw corruptShard(recordsPath, kernel.row + 1, 'the line is missing');
        if (kernel.setRecords(block.value)) continue;
        // A long line, by itself.
        const { buffer, start, end } = block.value;
        line = { buffer, start, end: end - 1 };
      }
      const row = await other.read(line);
      if (row === null || kernel.add(row, kernel.seen)) continue;
      if (kernel.blockRows > 0) yield take();
      if (kernel.add(row, kernel.seen)) continue;
      yield place(Buffer.from(row), { first: kernel.seen, last: kernel.seen, rows: 1 });
    }
    if (kernel.blockRows > 0) yield take();
    if (written.ordinal !== -1) throw damaged(path, undefined, 'it has rows of another shard');
  } finally {
    await records.return();
    await written.close();
    await answers.close();
    other.end();
    await options.released?.();
    kernel.end();
  }
}

/** The rows that are not for the kernel. */
class OtherRows {
  readonly #path: string;
  readonly #kernel: RowKernel;
  readonly #answers: AnswerReader;
  readonly #written: WrittenRows;
  readonly #firstTry: RowAttempt;
  readonly #block = new RowBlock();

  constructor(
    path: string,
    kernel: RowKernel,
    answers: AnswerReader,
    written: WrittenRows,
    firstTry: RowAttempt,
  ) {
    this.#path = path;
    this.#kernel = kernel;
    this.#answers = answers;
    this.#written = written;
    this.#firstTry = firstTry;
  }

  /**
   * The next row, whose record line is `line`, or else the next of the kernel's block; null when it is
   * not final. Valid until the next call.
   */
  async read(line: ShardLine | null): Promise<Buffer | null> {
    const kernel = this.#kernel;
    const place = kernel.row;
    const row = new ShardRow(NO_LINE, line ?? kernel.recordLine());
    if (!row.readRecord()) throw corruptShard(this.#path, place + 1, 'this is no record line');
    if (row.ordinal <= kernel.seen) {
      throw corruptShard(this.#path, place + 1, 'its ordinal is out of order');
    }
    const length = kernel.lengths[place]!;
    const block = this.#block;
    if (length > 0) {
      const id = kernel.idOf(row);
      startRow(block, row, id, 0, id.length, OK_AND_RECORD);
      startResponse(block, length);
      this.#answers.read(kernel.starts[place]!, length, block.buffer, block.length);
      block.length += length;
      block.text(okEnd([...row.attempts, this.#firstTry]));
    }
    kernel.skipRow(row, line === null);
    if (length > 0) return block.take();
    const { line: found, ordinal } = this.#written;
    if (ordinal !== row.ordinal) return null;
    block.bytes(found.buffer, found.start, found.end + 1);
    await this.#written.advance();
    return block.take();
  }

  /** Gives its memory back. */
  end(): void {
    this.#block.end();
  }
}

/** The answers as the join left them. */
async function openAnswers(
  directory: string,
  name: string,
  { outputBytes, errorBytes }: RowIndexHead,
): Promise<AnswerReader> {
  const output = outputBytes === 0 ? null : downloadPath(directory, name, 'output');
  const error = errorBytes === 0 ? null : downloadPath(directory, name, 'error');
  let reader: AnswerReader;
  try {
    reader = await AnswerReader.open({ output, error });
  } catch (cause) {
    if (errorCode(cause) !== 'download_missing') throw cause;
    throw new MillraceError(
      'results_gone',
      `the answers of shard ${name} are gone from ${directory}, of which its rows are made: put them back`,
      { cause },
    );
  }
  if (reader.outputBytes === outputBytes && reader.errorBytes === errorBytes) return reader;
  await reader.close();
  throw damaged(output ?? error ?? name, undefined, 'it has not the length that it had');
}

/** The rows that the join wrote out, one after the other. */
class WrittenRows {
  readonly line = new LineFeed();
  /** Of the row it stands on; -1 behind the last. */
  ordinal = -1;
  readonly #path: string;
  readonly #blocks: AsyncGenerator<LineBlock, void, undefined>;

  constructor(path: string) {
    this.#path = path;
    this.#blocks = linesIfThere(path, { reuse: true });
  }

  async advance(): Promise<void> {
    const { line } = this;
    const more = line.step() || (await line.advance(this.#blocks));
    this.ordinal = more ? ordinalAt(line.buffer, line.start, line.end, this.#path) : -1;
  }

  async close(): Promise<void> {
    await this.#blocks.return();
  }
}
