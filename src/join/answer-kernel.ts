import { giveKernel, type JoinKernel, takeKernel } from './join-kernel.ts';
import * as at from './kernel/layout.ts';

const SLACK_BYTES = 64;
const ALIGNMENT = 16;
const BLOCK_BYTES = 512 * 1024; // 512 KiB
/** Lines of a longer shape, or of more values, are walked through one by one. */
const MOST_SHAPE_BYTES = 256 * 1024; // 256 KiB
const MOST_STRETCHES = 16 * 1024;
const STRETCH_BYTES = 12;
const ID_BYTES = 16;
/** The longest id that is looked up. */
const MOST_ID_BYTES = 64 * 1024; // 64 KiB
/** More than the service takes in one file. */
const MOST_IDS = 128 * 1024;
const LEAST_REQUEST_BYTES = 16;
const MOST_TEXT_BYTES = 512 * 1024 * 1024; // 512 MiB, twice a request file and more

/** The ids of a shard: one prefix and the ordinals from `first` on; or as they come, of `requestBytes`. */
export type KernelIds =
  | { readonly prefix: string; readonly first: number; readonly rows: number }
  | { readonly requestBytes: number };

/** Where the kernel finds a line's parts: by stretches of the shape, as `layout.ts` has them. */
export interface KernelShape {
  readonly text: Buffer;
  /** Offsets in the text of each stretch, and what follows it. */
  readonly froms: ArrayLike<number>;
  readonly tos: ArrayLike<number>;
  readonly kinds: ArrayLike<number>;
  /** The stretches behind which they lie; -1 for none. */
  readonly id: number;
  readonly status: number;
  readonly counts: readonly number[];
  /** What every line of the shape says where there is no such place. */
  readonly statusSaid: number;
  readonly countsSaid: readonly number[];
  readonly hasError: boolean;
  /** Stretches and offsets in the text of the response's first byte and its last; null for none. */
  readonly response: readonly [from: number, first: number, to: number, last: number] | null;
}

/**
 * The memory in which the answers of one batch are found and the kernel that reads them: blocks of
 * lines, the shape that lines have, the shard's ids, and tables of what was found by the id's number.
 */
export class AnswerKernel {
  /** What `lineBlocks` reads into. */
  readonly blocks: readonly Buffer[];
  /** By the id's number. */
  readonly found: Uint8Array;
  /** Where the line lies as the reader counts, and its bytes. */
  readonly starts: Float64Array;
  readonly lengths: Uint32Array;
  /** From the line's first byte on. */
  readonly responseStarts: Uint32Array;
  readonly responseLengths: Uint32Array;
  readonly #loaded: JoinKernel;
  readonly #bytes: Buffer;
  readonly #numbers: Uint32Array;
  readonly #signed: Int32Array;
  readonly #doubles: Float64Array;
  readonly #stretches: number;
  readonly #shapeText: number;
  readonly #found: number;
  readonly #scratch: number;

  /** `blockBytes` are read at once; the rest of a block is for the line that was left unfinished. */
  constructor(ids: KernelIds, blockBytes = BLOCK_BYTES) {
    const given = 'prefix' in ids ? ids : null;
    const requestBytes = 'prefix' in ids ? 0 : ids.requestBytes;
    const most =
      given?.rows ?? Math.min(MOST_IDS, Math.ceil(requestBytes / LEAST_REQUEST_BYTES) + 1);
    const slots = given === null ? 2 ** Math.ceil(Math.log2(2 * most)) : 0;
    const prefix = Buffer.from(given?.prefix ?? '');

    let end: number = at.LAYOUT_BYTES;
    const piece = (bytes: number): number => {
      const from = end;
      end += Math.ceil((bytes + SLACK_BYTES) / ALIGNMENT) * ALIGNMENT;
      return from;
    };
    const blocks = [piece(2 * blockBytes), piece(2 * blockBytes)];
    this.#shapeText = piece(MOST_SHAPE_BYTES);
    this.#stretches = piece(STRETCH_BYTES * MOST_STRETCHES);
    this.#found = piece(4 * (MOST_STRETCHES + 1));
    this.#scratch = piece(2 * MOST_ID_BYTES);
    const prefixAt = piece(prefix.length);
    const starts = piece(8 * most);
    const lengths = piece(4 * most);
    const responseStarts = piece(4 * most);
    const responseLengths = piece(4 * most);
    const found = piece(most);
    const entries = piece(given === null ? ID_BYTES * most : 0);
    const textEnds = piece(given === null ? 4 * most : 0);
    const requestEnds = piece(given === null ? 8 * most : 0);
    const slotsAt = piece(4 * slots);
    // An id that is written with escapes is kept in both forms.
    const textBytes = Math.min(MOST_TEXT_BYTES, 2 * requestBytes) + SLACK_BYTES;
    const texts = piece(given === null ? textBytes : 0);

    this.#loaded = takeKernel(end);
    const { buffer } = this.#loaded.memory;
    this.#bytes = Buffer.from(buffer);
    this.#numbers = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.blocks = blocks.map((from) => Buffer.from(buffer, from, 2 * blockBytes));
    this.found = new Uint8Array(buffer, found, most).fill(0);
    this.starts = new Float64Array(buffer, starts, most);
    this.lengths = new Uint32Array(buffer, lengths, most);
    this.responseStarts = new Uint32Array(buffer, responseStarts, most);
    this.responseLengths = new Uint32Array(buffer, responseLengths, most);
    prefix.copy(this.#bytes, prefixAt);
    this.#bytes.write(at.REQUEST_START_TEXT, at.REQUEST_START, 'latin1');

    this.#set(at.STRETCH_COUNT, 0);
    this.#set(at.STRETCH_TABLE, this.#stretches);
    this.#set(at.FOUND_AT, this.#found);
    this.#set(at.SHAPE_TEXT, this.#shapeText);
    this.#doubles.fill(0, at.USAGE / 8, at.USAGE / 8 + 4);
    this.#set(at.LINE_STARTS, starts);
    this.#set(at.LINE_LENGTHS, lengths);
    this.#set(at.RESPONSE_STARTS, responseStarts);
    this.#set(at.RESPONSE_LENGTHS, responseLengths);
    this.#set(at.FOUND, found);
    this.#set(at.IDS, given?.rows ?? 0);
    this.#set(at.ID_PREFIX_AT, given === null ? 0 : prefixAt);
    this.#set(at.ID_PREFIX_BYTES, prefix.length);
    this.#doubles[at.FIRST_ORDINAL / 8] = given?.first ?? 0;
    this.#set(at.ID_ENTRIES, entries);
    this.#set(at.ID_SLOTS, slotsAt);
    this.#set(at.SLOT_MASK, slots - 1);
    this.#set(at.ID_TEXTS, texts);
    this.#set(at.ID_TEXT_AT, texts);
    this.#set(at.ID_TEXT_END, texts + textBytes);
    this.#set(at.ID_TEXT_ENDS, textEnds);
    this.#set(at.MOST_IDS, most);
    this.#set(at.REQUEST_ENDS, requestEnds);
  }

  /** Gives the memory back; nothing of it is valid any more. */
  end(): void {
    giveKernel(this.#loaded);
  }

  /** How many ids there are; a number is below. */
  get ids(): number {
    return this.#get(at.IDS);
  }

  /** Whether the buffer is one of `blocks`. */
  holds({ buffer }: Buffer): boolean {
    return buffer === this.#bytes.buffer;
  }

  /**
   * Takes the lines of a block from `start` to `end`; `place` is where `start` lies as the reader
   * counts. Says, as `layout.ts` has it, what stopped it at `stoppedAt`.
   */
  takeLines(block: Buffer, start: number, end: number, place: number): number {
    this.#doubles[at.LINE_PLACE / 8] = place - start - block.byteOffset;
    return this.#loaded.functions.takeLines(block.byteOffset + start, block.byteOffset + end);
  }

  /** The offset in the block of the line that stopped `takeLines` or `addIds`. */
  stoppedAt(block: Buffer): number {
    return this.#get(at.LINE_AT) - block.byteOffset;
  }

  /** Which byte of the shape's text was another one in the line that did not match; -1 for none. */
  get missedAt(): number {
    return this.#signed[at.MISS_OFFSET / 4]!;
  }

  /** Where the stretch of the last line that matched begins in the block. */
  stretchStart(stretch: number, block: Buffer): number {
    return this.#numbers[this.#found / 4 + stretch]! - block.byteOffset;
  }

  /** The shape that lines are compared with from now on. */
  setShape(shape: KernelShape): void {
    const { text, froms, tos, kinds, counts, countsSaid, response } = shape;
    const fits = text.length <= MOST_SHAPE_BYTES && froms.length <= MOST_STRETCHES;
    this.#set(at.STRETCH_COUNT, fits ? froms.length : 0);
    if (!fits) return;
    text.copy(this.#bytes, this.#shapeText);
    for (let n = 0; n < froms.length; n++) {
      const entry = this.#stretches + n * STRETCH_BYTES;
      this.#set(entry, this.#shapeText + froms[n]!);
      this.#set(entry + 4, tos[n]! - froms[n]!);
      this.#set(entry + 8, kinds[n] ?? 0);
    }
    this.#set(at.ID_GAP, shape.id);
    this.#set(at.STATUS_GAP, shape.status);
    this.#doubles[at.STATUS_SAID / 8] = shape.statusSaid;
    this.#set(at.HAS_ERROR, shape.hasError ? 1 : 0);
    for (const [n, gap] of counts.entries()) {
      this.#set(at.COUNT_GAPS + 4 * n, gap);
      this.#doubles[at.COUNTS_SAID / 8 + n] = countsSaid[n]!;
    }
    const [from, first, to, last] = response ?? [-1, 0, -1, 0];
    this.#set(at.RESPONSE_STRETCH, from);
    this.#set(at.RESPONSE_OFFSET, first - (froms[from] ?? 0));
    this.#set(at.RESPONSE_END_STRETCH, to);
    this.#set(at.RESPONSE_END_OFFSET, last - (froms[to] ?? 0));
  }

  /** Input, cached input, output and reasoning tokens of the lines that were taken. */
  usage(): readonly number[] {
    return [...this.#doubles.subarray(at.USAGE / 8, at.USAGE / 8 + 4)];
  }

  /** The number of an id, or -1 for one that is not the shard's. */
  findId(bytes: Buffer, start: number, end: number): number {
    if (end - start > MOST_ID_BYTES) return -1;
    bytes.copy(this.#bytes, this.#scratch, start, end);
    return this.#loaded.functions.findId(this.#scratch, end - start);
  }

  /**
   * Lists the ids of a block's request lines; `place` is where `start` lies in the file. False when it
   * stopped: at `stoppedAt`.
   */
  addIds(block: Buffer, start: number, end: number, place: number): boolean {
    const { byteOffset } = block;
    this.#doubles[at.LINE_PLACE / 8] = place - start - byteOffset;
    return this.#loaded.functions.addIds(byteOffset + start, byteOffset + end) === at.ALL_LINES;
  }

  /**
   * Lists an id by its text in JSON and what it is, whose request line ends at `lineEnd`. False when it
   * is too long, or one too many.
   */
  addId(text: Buffer, id: Buffer, lineEnd: number): boolean {
    if (text.length > MOST_ID_BYTES || id.length > MOST_ID_BYTES) return false;
    const own = this.#scratch + MOST_ID_BYTES;
    text.copy(this.#bytes, this.#scratch);
    id.copy(this.#bytes, own);
    const { addId } = this.#loaded.functions;
    return addId(this.#scratch, text.length, own, id.length, lineEnd) !== 0;
  }

  /** Gives the listed ids their numbers; then they can be found. */
  numberIds(): void {
    this.#loaded.functions.numberIds();
  }

  /** The number of the id that was listed as the `row`th, from 0. */
  numberOf(row: number): number {
    return this.#numbers[(this.#get(at.ID_ENTRIES) + ID_BYTES * row + 12) / 4]!;
  }

  /** Where the request line of each listed id ends, its newline included. */
  requestEnds(): Float64Array {
    return new Float64Array(this.#loaded.memory.buffer, this.#get(at.REQUEST_ENDS), this.ids);
  }

  /** The texts of the listed ids, one after the other, and where each ends. */
  texts(): { readonly ids: Buffer; readonly idEnds: Uint32Array } {
    const ids = this.#bytes.subarray(this.#get(at.ID_TEXTS), this.#get(at.ID_TEXT_AT));
    const { buffer } = this.#loaded.memory;
    return { ids, idEnds: new Uint32Array(buffer, this.#get(at.ID_TEXT_ENDS), this.ids) };
  }

  #get(offset: number): number {
    return this.#numbers[offset / 4]!;
  }

  #set(offset: number, value: number): void {
    this.#numbers[offset / 4] = value;
  }
}
