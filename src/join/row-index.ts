import type { FileHandle } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import { AtomicFile } from '../streams/atomic-file.ts';
import { openPrivate } from '../streams/files.ts';
import { giveBuffer, takeRoughly } from '../streams/spare-buffers.ts';
import { damaged } from './damaged.ts';

/** Of a place and a length. */
export const ROW_BYTES = 12;
const ALIGNMENT = 8;
const MOST_HEAD_BYTES = 4096;
const NEWLINE = 0x0a;

/** What the rows of a shard have in common, and what the index counts on. */
export interface RowIndexHead {
  readonly version: 1;
  /** Rows of the shard. */
  readonly rows: number;
  /** Those whose answer is left where it was downloaded. */
  readonly deferred: number;
  /** The batch's id at the service, and when its answers were read; for the rows' attempts. */
  readonly batch: string;
  readonly at: string;
  /** What stands before the ordinal in each custom_id; null when the ids are given one by one. */
  readonly prefix: string | null;
  /** Bytes that each file had; an answers' file that there was none of has none. */
  readonly recordBytes: number;
  readonly outputBytes: number;
  readonly errorBytes: number;
}

/**
 * Where the answers to a shard's rows lie, row by row in the shard's order. Together with the
 * records and the downloads it is the shard's ok rows, which are put together only when they are
 * read: so that every byte of an answer is written twice at most, when it comes and when it goes.
 *
 * On disk: the head as a line of JSON, filled up with blanks to a multiple of 8, then the places of
 * the responses (Float64), their lengths (Uint32) and, without a prefix, where each id ends (Uint32)
 * and the ids as they stand in JSON. Numbers are little-endian.
 */
export class RowIndex {
  readonly head: RowIndexHead;
  /** Places through the output and then the error file. */
  readonly starts: Float64Array;
  /** 0 for a row that is not deferred. */
  readonly lengths: Uint32Array;
  readonly idEnds: Uint32Array;
  readonly ids: Buffer;
  readonly #room: Buffer | null;

  /** `room` is what the numbers lie in, if they lie in a buffer that is used again. */
  constructor(
    head: RowIndexHead,
    starts: Float64Array,
    lengths: Uint32Array,
    idEnds: Uint32Array,
    ids: Buffer,
    room: Buffer | null = null,
  ) {
    this.#room = room;
    this.head = head;
    this.starts = starts;
    this.lengths = lengths;
    this.idEnds = idEnds;
    this.ids = ids;
  }

  /** Gives its memory back; not to be looked at any more. */
  end(): void {
    if (this.#room !== null) giveBuffer(this.#room);
  }

  /** Puts the index into a file, which is then to be committed. */
  async write(path: string): Promise<AtomicFile> {
    const text = JSON.stringify(this.head);
    const blanks = ALIGNMENT - 1 - (Buffer.byteLength(text) % ALIGNMENT);
    const file = await AtomicFile.create(path);
    try {
      await file.write(`${text}${' '.repeat(blanks)}\n`);
      const { starts, lengths, idEnds, ids } = this;
      for (const { buffer, byteOffset, byteLength } of [starts, lengths, idEnds, ids]) {
        await file.writeThrough(new Uint8Array(buffer, byteOffset, byteLength));
      }
      return file;
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /** The index of a file, or null when there is none. Throws `damaged_result`. */
  static async read(path: string): Promise<RowIndex | null> {
    const bytes = await readWhole(path);
    if (bytes === null) return null;
    const head = headOf(bytes, path);
    const { rows, prefix } = head;
    const room = Buffer.from(bytes.buffer);
    let at = bytes.indexOf(NEWLINE) + 1;
    const take = (size: number): [ArrayBuffer, number, number] => {
      const from = at;
      at += size * rows;
      if (at > bytes.length) throw damaged(path, undefined, 'it is cut');
      return [bytes.buffer as ArrayBuffer, from, rows];
    };
    const starts = new Float64Array(...take(Float64Array.BYTES_PER_ELEMENT));
    const lengths = new Uint32Array(...take(Uint32Array.BYTES_PER_ELEMENT));
    // The kernel looks wherever it is told, so that a wrong number would make a wrong row.
    const answerBytes = head.outputBytes + head.errorBytes;
    for (let row = 0; row < rows; row++) {
      const start = starts[row]!;
      if (lengths[row] === 0 || (start >= 0 && start + lengths[row]! <= answerBytes)) continue;
      throw damaged(path, undefined, 'it names places that the answers do not have');
    }
    if (prefix !== null) return new RowIndex(head, starts, lengths, NO_ENDS, NO_IDS, room);
    const idEnds = new Uint32Array(...take(Uint32Array.BYTES_PER_ELEMENT));
    const ids = bytes.subarray(at);
    const inOrder = idEnds.every((end, row) => row === 0 || end >= idEnds[row - 1]!);
    if (!inOrder || (idEnds.at(-1) ?? 0) !== ids.length) {
      throw damaged(path, undefined, 'it is cut');
    }
    return new RowIndex(head, starts, lengths, idEnds, ids, room);
  }

  /** Only the head of the file, or null when there is none. */
  static async readHead(path: string): Promise<RowIndexHead | null> {
    const bytes = await readWhole(path, MOST_HEAD_BYTES);
    return bytes === null ? null : headOf(bytes, path);
  }
}

export const NO_ENDS = new Uint32Array(0);
export const NO_IDS = Buffer.alloc(0);

/** The file in memory of its own, so that numbers in it are aligned; null when there is none. */
async function readWhole(path: string, most = Number.POSITIVE_INFINITY): Promise<Buffer | null> {
  let handle: FileHandle;
  try {
    handle = await openPrivate(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const length = Math.min((await handle.stat()).size, most);
    const bytes = takeRoughly(length).subarray(0, length);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, done);
      if (bytesRead === 0) throw damaged(path, undefined, 'it is cut');
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

function headOf(bytes: Buffer, path: string): RowIndexHead {
  const text = bytes.toString('utf8', 0, Math.max(0, bytes.indexOf(NEWLINE)));
  let head: RowIndexHead | undefined;
  try {
    head = JSON.parse(text) as RowIndexHead;
  } catch (error) {
    // The parser's own words would quote the file.
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (head?.version !== 1) throw damaged(path, undefined, 'it is not the index of a shard');
  return head;
}
