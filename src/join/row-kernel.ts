import { giveKernel, type JoinKernel, takeKernel } from './join-kernel.ts';
import * as at from './kernel/layout.ts';
import type { LineBlock } from './line-blocks.ts';
import type { RowIndex } from './row-index.ts';
import type { ShardLine, ShardRow } from './shard-rows.ts';

const NEWLINE = 0x0a;
const ALIGNMENT = 16;
/** The kernel reads and writes up to so much behind the end of things. */
const SLACK_BYTES = 64;
const MOST_STRETCHES = 8192;

/** How much of what is kept, in bytes; what is not touched takes no room. */
export interface RowKernelSizes {
  readonly roomBytes: number;
  /** A block of output is full from here on. */
  readonly fullBytes: number;
  /** The block's own room: a longer row is not for the kernel. */
  readonly blockBytes: number;
  /** Read at once, of the records and of the answers: a power of two. */
  readonly readBytes: number;
}

const LARGE: RowKernelSizes = {
  roomBytes: 20 * 1024 * 1024, // 20 MiB
  fullBytes: 1024 * 1024, // 1 MiB
  blockBytes: 1280 * 1024, // 1.25 MiB
  readBytes: 1024 * 1024, // 1 MiB
};

const SMALL: RowKernelSizes = {
  roomBytes: 1024 * 1024, // 1 MiB
  fullBytes: 256 * 1024, // 256 KiB
  blockBytes: 512 * 1024, // 512 KiB
  readBytes: 256 * 1024, // 256 KiB
};

/** One at a time has much room; whoever comes while it is lent gets little. */
let largeIsLent = false;

/** Rows of a shard that are found in a block of output. */
export interface KnownRows {
  /** Ordinals. */
  readonly first: number;
  readonly last: number;
  readonly rows: number;
}

/**
 * The memory in which the rows of one shard are put together, and the kernel that does it. The same
 * memory serves one shard after the other, since what is allocated for each would lie there until the
 * garbage is collected.
 */
export class RowKernel {
  /** What `lineBlocks` reads the records into. */
  readonly recordBlocks: readonly Buffer[];
  /** What stretches of the answers are read into. */
  readonly scans: readonly Buffer[];
  readonly room: Buffer;
  /** Bytes of a stretch, and how many there are. */
  readonly stretchBytes: number;
  readonly stretches: number;
  readonly lengths: Uint32Array;
  readonly starts: Float64Array;
  readonly #loaded: JoinKernel;
  readonly #bytes: Buffer;
  readonly #numbers: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #heads: Uint32Array;
  readonly #ranges: Float64Array;
  readonly #blocks: readonly Buffer[];
  readonly #sizes: RowKernelSizes;
  #block = 0;

  /**
   * For the rows of `index`, whose answers lie in so many bytes; `tail` ends a row's line.
   */
  constructor(
    index: RowIndex,
    answerBytes: number,
    tail: Buffer,
    sizes: RowKernelSizes = largeIsLent ? SMALL : LARGE,
  ) {
    this.#sizes = sizes;
    const { head, idEnds, ids } = index;
    let bits = Math.log2(sizes.readBytes);
    while (answerBytes / 2 ** bits >= MOST_STRETCHES) bits++;
    this.stretchBytes = 2 ** bits;
    this.stretches = Math.floor(answerBytes / this.stretchBytes) + 1;
    const prefix = head.prefix === null ? null : Buffer.from(idText(head.prefix));

    let end: number = at.LAYOUT_BYTES;
    const piece = (bytes: number): [number, number] => {
      const from = end;
      end += Math.ceil((bytes + SLACK_BYTES) / ALIGNMENT) * ALIGNMENT;
      return [from, bytes];
    };
    const two = (bytes: number) => [piece(bytes), piece(bytes)];
    const tailPiece = piece(tail.length);
    const prefixPiece = piece(prefix?.length ?? 0);
    const blocks = two(sizes.blockBytes);
    const records = two(2 * sizes.readBytes);
    const scans = two(2 * sizes.readBytes);
    const heads = piece(4 * MOST_STRETCHES);
    const ranges = piece(16 * MOST_STRETCHES);
    const room = piece(sizes.roomBytes);
    const { rows } = head;
    const [starts] = piece(8 * rows);
    const [lengths] = piece(4 * rows);
    const [places] = piece(4 * rows);
    const [nexts] = piece(4 * rows);
    const [idEndsAt] = piece(4 * idEnds.length);
    const idsPiece = piece(ids.length);

    this.#loaded = takeKernel(end);
    if (sizes === LARGE) largeIsLent = true;
    const { buffer } = this.#loaded.memory;
    this.#bytes = Buffer.from(buffer);
    this.#numbers = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    const view = ([from, bytes]: [number, number]) => Buffer.from(buffer, from, bytes);
    this.recordBlocks = records.map(view);
    this.scans = scans.map(view);
    this.room = view(room);
    this.#blocks = blocks.map(view);
    this.#heads = new Uint32Array(buffer, heads[0], this.stretches);
    this.#ranges = new Float64Array(buffer, ranges[0], 2 * this.stretches);
    this.starts = new Float64Array(buffer, starts, rows);
    this.lengths = new Uint32Array(buffer, lengths, rows);
    this.starts.set(index.starts);
    this.lengths.set(index.lengths);
    new Uint32Array(buffer, idEndsAt, idEnds.length).set(idEnds);
    ids.copy(view(idsPiece));
    tail.copy(view(tailPiece));
    prefix?.copy(view(prefixPiece));

    for (const [n, text] of TEXTS.entries()) {
      this.#bytes.write(text, at.TEXTS + n * TEXT_ROOM_BYTES, 'latin1');
    }
    this.#set(at.RECORDS_AT, 0);
    this.#set(at.RECORDS_END, 0);
    this.#set(at.ROW, 0);
    this.#set(at.ROWS, rows);
    this.#set(at.ROW_TO, 0);
    this.#set(at.STARTS, starts);
    this.#set(at.LENGTHS, lengths);
    this.#set(at.PLACES, places);
    this.#set(at.NEXTS, nexts);
    this.#set(at.PREFIX_AT, prefix === null ? 0 : prefixPiece[0]);
    this.#set(at.PREFIX_BYTES, prefixPiece[1]);
    this.#set(at.IDS_AT, idsPiece[0]);
    this.#set(at.ID_ENDS, idEndsAt);
    this.#set(at.TAIL_AT, tailPiece[0]);
    this.#set(at.TAIL_BYTES, tailPiece[1]);
    this.#set(at.ROOM_AT, room[0]);
    this.#set(at.ROOM_BYTES, room[1]);
    this.#set(at.STRETCHES, this.stretches);
    this.#set(at.STRETCH_BITS, bits);
    this.#set(at.HEADS, heads[0]);
    this.#set(at.RANGES, ranges[0]);
    this.#doubles[at.SEEN / 8] = -1;
    this.#begin();
  }

  /** Gives the memory back; what was read into it and made in it is not valid any more. */
  end(): void {
    if (this.#sizes === LARGE) largeIsLent = false;
    giveKernel(this.#loaded);
  }

  /** The row that comes next, from 0, and the first one behind whose answer is not in the room. */
  get row(): number {
    return this.#get(at.ROW);
  }

  get rowTo(): number {
    return this.#get(at.ROW_TO);
  }

  /** The ordinal of the row before. */
  get seen(): number {
    return this.#doubles[at.SEEN / 8]!;
  }

  /** The next record line of the block. */
  recordLine(): ShardLine {
    const start = this.#get(at.RECORDS_AT);
    return { buffer: this.#bytes, start, end: this.#bytes.indexOf(NEWLINE, start) };
  }

  /** Goes on with the lines of a block; false when the block lies elsewhere. */
  setRecords({ buffer, start, end }: LineBlock): boolean {
    if (buffer.buffer !== this.#bytes.buffer) return false;
    this.#set(at.RECORDS_AT, buffer.byteOffset + start);
    this.#set(at.RECORDS_END, buffer.byteOffset + end);
    return true;
  }

  /** Puts rows together; says, as `layout.ts` has it, what it wants. */
  compose(): number {
    return this.#loaded.functions.composeRows();
  }

  /** The custom_id of the next row, whose record line `row` stands on, as JSON without its quotes. */
  idOf({ recordLine, ordinalStart, ordinalEnd }: ShardRow): Buffer {
    const prefix = this.#get(at.PREFIX_AT);
    if (prefix !== 0) {
      const text = this.#bytes.subarray(prefix, prefix + this.#get(at.PREFIX_BYTES));
      return Buffer.concat([text, recordLine.buffer.subarray(ordinalStart, ordinalEnd)]);
    }
    const [ids, ends, row] = [this.#get(at.IDS_AT), this.#get(at.ID_ENDS) / 4, this.row];
    const start = row === 0 ? 0 : this.#numbers[ends + row - 1]!;
    return this.#bytes.subarray(ids + start, ids + this.#numbers[ends + row]!);
  }

  /** Goes on behind the next row, which `row` stands on, `inBlock` or not. */
  skipRow({ ordinal, recordLine }: ShardRow, inBlock: boolean): void {
    this.#set(at.ROW, this.row + 1);
    if (inBlock) this.#set(at.RECORDS_AT, recordLine.end + 1);
    this.#doubles[at.SEEN / 8] = ordinal;
  }

  /** Adds the line of a row to the block; false when it has not the room. */
  add(line: Buffer, ordinal: number): boolean {
    const out = this.#get(at.OUT_AT);
    if (out + line.length > this.#get(at.OUT_END)) return false;
    line.copy(this.#bytes, out);
    this.#set(at.OUT_AT, out + line.length);
    if (this.#get(at.OUT_ROWS) === 0) this.#doubles[at.OUT_FIRST / 8] = ordinal;
    this.#doubles[at.OUT_LAST / 8] = ordinal;
    this.#set(at.OUT_ROWS, this.#get(at.OUT_ROWS) + 1);
    return true;
  }

  /** Rows in the block. */
  get blockRows(): number {
    return this.#get(at.OUT_ROWS);
  }

  /** The block of output, valid until the second next one is taken. */
  takeBlock(): { readonly buffer: Buffer; readonly known: KnownRows } {
    const block = this.#blocks[this.#block]!;
    const known = {
      first: this.#doubles[at.OUT_FIRST / 8]!,
      last: this.#doubles[at.OUT_LAST / 8]!,
      rows: this.blockRows,
    };
    const buffer = block.subarray(0, this.#get(at.OUT_AT) - block.byteOffset);
    this.#block = 1 - this.#block;
    this.#begin();
    return { buffer, known };
  }

  /** Gives the answers of the next rows, as many as there is room for, their places in the room. */
  planRoom(): void {
    this.#loaded.functions.planRoom();
  }

  /** The same where all the answers' bytes lie in the room as in their files. */
  planWhole(): void {
    this.#loaded.functions.planWhole();
  }

  /** The range of the wanted answers that begin in a stretch, as the reader counts; null for none. */
  wanted(stretch: number): { readonly start: number; readonly end: number } | null {
    if (this.#heads[stretch] === 0) return null;
    return { start: this.#ranges[2 * stretch]!, end: this.#ranges[2 * stretch + 1]! };
  }

  /** Copies the wanted answers of a stretch into the room, out of `bytes`, which begin at `start`. */
  pick(stretch: number, bytes: Buffer, start: number): void {
    this.#loaded.functions.pickAnswers(stretch, bytes.byteOffset, start);
  }

  /** Where in the room the row's answer belongs; null when it has none or is too long for it. */
  placeOf(row: number): number | null {
    if (this.lengths[row] === 0) return null;
    const place = this.#numbers[this.#get(at.PLACES) / 4 + row]!;
    return place === 0 ? null : place - this.room.byteOffset;
  }

  #begin(): void {
    const { byteOffset } = this.#blocks[this.#block]!;
    this.#set(at.OUT_AT, byteOffset);
    this.#set(at.OUT_FULL, byteOffset + this.#sizes.fullBytes);
    this.#set(at.OUT_END, byteOffset + this.#sizes.blockBytes);
    this.#set(at.OUT_ROWS, 0);
  }

  #get(offset: number): number {
    return this.#numbers[offset / 4]!;
  }

  #set(offset: number, value: number): void {
    this.#numbers[offset / 4] = value;
  }
}

const TEXT_ROOM_BYTES = 32;
const TEXTS = [
  at.ORDINAL_KEY,
  at.RECORD_KEY,
  at.ID_KEY,
  at.STATUS_AND_RECORD_KEY,
  at.RESPONSE_KEY,
] as const;

function idText(prefix: string): string {
  return JSON.stringify(prefix).slice(1, -1);
}
