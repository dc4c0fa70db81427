import { errorCode, MillraceError } from '../core/errors.ts';
import { corruptShard } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import { AnswerReader } from './answer-reader.ts';
import { AnswerWindow } from './answer-window.ts';
import { damaged } from './damaged.ts';
import { type LineBlock, type LineBlockOptions, lineBlocks, linesIfThere } from './line-blocks.ts';
import { ordinalAt } from './ordinal-at.ts';
import { downloadPath, shardOfResults } from './paths.ts';
import { giveRoom, takeRoom } from './room.ts';
import { RowBlock } from './row-block.ts';
import type { RowIndex, RowIndexHead } from './row-index.ts';
import { OK_AND_RECORD, okEnd, startResponse, startRow } from './row-lines.ts';
import { LineFeed, NO_LINE, ShardRow } from './shard-rows.ts';

const BLOCK_BYTES = 1024 * 1024; // 1 MiB
/** A block is full with its last row; a longer one makes it grow. */
const MOST_USUAL_ROW_BYTES = 256 * 1024; // 256 KiB

/** Whole rows, and what is known of their ordinals without looking at them. */
export interface RowsBlock extends LineBlock {
  readonly known?: { readonly first: number; readonly last: number; readonly rows: number };
}

/**
 * The rows of a shard whose ok rows were left in the downloads and the records: puts them together
 * from there, and puts the rows that were written to `path` between them. Throws `results_gone`,
 * `corrupt_shard` or `damaged_result` when one of the files is not as the join left it.
 */
export async function* deferredRows(
  path: string,
  index: RowIndex,
  options: LineBlockOptions = {},
): AsyncGenerator<RowsBlock, void, undefined> {
  const { directory, name } = shardOfResults(path);
  const { head, lengths } = index;
  const recordsPath = shardPaths(directory, name).records;
  const answers = await openAnswers(directory, name, head);
  const room = takeRoom();
  const records = lineBlocks(recordsPath, { reuse: true });
  const written = new WrittenRows(path);
  const block = new RowBlock(BLOCK_BYTES + MOST_USUAL_ROW_BYTES);
  let window: AnswerWindow | null = null;
  try {
    window = new AnswerWindow(answers, index, room);
    await written.advance();
    const ids = new RowIds(index);
    const feed = new LineFeed();
    const row = new ShardRow(NO_LINE, feed);
    const firstTry = { batch: head.batch, code: 'ok', at: head.at };
    const firstTryEnd = Buffer.from(okEnd([firstTry]));
    let offset = 0;
    let rows = 0;
    let first = -1;
    let last = -1;
    let seen = -1;
    const take = (): RowsBlock => {
      const taken = block.take();
      const buffer = options.reuse ? taken : Buffer.from(taken);
      const from = offset;
      const known = { first, last, rows };
      offset += buffer.length;
      rows = 0;
      return { buffer, start: 0, end: buffer.length, offset: from, known };
    };
    for (let place = 0; place < head.rows; place++) {
      if (!feed.step() && !(await feed.advance(records))) {
        throw corruptShard(recordsPath, place + 1, 'the line is missing');
      }
      if (!row.readRecord()) {
        throw corruptShard(recordsPath, place + 1, 'this is no record line');
      }
      if (row.ordinal <= seen) {
        throw corruptShard(recordsPath, place + 1, 'its ordinal is out of order');
      }
      seen = row.ordinal;
      const length = lengths[place]!;
      if (length > 0) {
        ids.goTo(row, place);
        startRow(block, row, ids.buffer, ids.start, ids.end, OK_AND_RECORD);
        startResponse(block, length);
        window.read(place, block.buffer, block.length);
        block.length += length;
        if (row.attempts.length === 0) block.bytes(firstTryEnd);
        else block.text(okEnd([...row.attempts, firstTry]));
      } else if (written.ordinal === row.ordinal) {
        const { line } = written;
        block.bytes(line.buffer, line.start, line.end + 1);
        await written.advance();
      } else {
        continue;
      }
      if (rows === 0) first = row.ordinal;
      last = row.ordinal;
      rows++;
      if (block.length >= BLOCK_BYTES) yield take();
    }
    if (rows > 0) yield take();
    if (written.ordinal !== -1) throw damaged(path, undefined, 'it has rows of another shard');
  } finally {
    giveRoom(room);
    block.end();
    window?.end();
    index.end();
    await records.return();
    await written.close();
    await answers.close();
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

/** The custom_ids of a shard, one after the other. */
class RowIds {
  buffer: Buffer;
  start = 0;
  end = 0;
  readonly #ends: Uint32Array | null;
  readonly #digits: number;

  constructor({ head, ids, idEnds }: RowIndex) {
    this.#ends = head.prefix === null ? idEnds : null;
    const prefix = Buffer.from(JSON.stringify(head.prefix ?? '').slice(1, -1));
    this.#digits = prefix.length;
    this.buffer = head.prefix === null ? ids : Buffer.concat([prefix, ROOM_FOR_DIGITS]);
  }

  goTo(row: ShardRow, place: number): void {
    if (this.#ends !== null) {
      this.start = place === 0 ? 0 : this.#ends[place - 1]!;
      this.end = this.#ends[place]!;
      return;
    }
    const { buffer } = row.recordLine;
    this.end = this.#digits;
    for (let at = row.ordinalStart; at < row.ordinalEnd; at++) {
      this.buffer[this.end++] = buffer[at]!;
    }
  }
}

const ROOM_FOR_DIGITS = Buffer.alloc(32);

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
