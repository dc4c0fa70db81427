import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { errorCode, MillraceError } from '../core/errors.ts';
import type { Usage } from '../core/job.ts';
import { openPrivate } from '../streams/files.ts';
import { AnswerLine } from './answer-line.ts';
import { IdTable } from './id-table.ts';
import { skipBlanks } from './json-bytes.ts';
import { lineBlocks } from './line-blocks.ts';

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
/** Room at first: the 100,000 answers of a full batch at most; memory that is not touched is not taken. */
const MOST_FIRST_ENTRIES = 128 * 1024;
const LEAST_FIRST_ENTRIES = 1024;
/** The length of a short answer: a small file takes small tables. */
const SHORT_ANSWER_BYTES = 256;
const NEWLINE = 0x0a;

/** The files of one batch as they were downloaded; null when the batch has none. */
export interface AnswerFiles {
  readonly output: string | null;
  readonly error: string | null;
}

/** What was odd about the answers; nothing of it stops a join. */
export interface AnswerAnomalies {
  /** Lines beyond the one that counts, for ids that were answered more than once. */
  duplicate: number;
  /** Lines that are not one whole JSON object with a custom_id: cut, garbled or foreign. */
  malformed: number;
}

/**
 * Where the answers of one batch lie in its files: a table over custom_ids with an offset for each,
 * whatever the size of the answers. For each id the first ok answer counts, else the first one.
 */
export class AnswerIndex {
  readonly anomalies: AnswerAnomalies = { duplicate: 0, malformed: 0 };
  /** Added up over the answers, duplicates of an ok one left out. */
  readonly usage: { -readonly [K in keyof Usage]: Usage[K] } = {
    input: 0,
    cachedInput: 0,
    output: 0,
    reasoning: 0,
  };

  readonly #handles: FileHandle[];
  readonly #ids: IdTable;
  readonly #line = new AnswerLine();
  #capacity: number;
  #file: Uint8Array;
  #ok: Uint8Array;
  #claimed: Uint8Array;
  /** Of the line in its file; the response's start counts from it. Lengths in bytes. */
  #offset: Float64Array;
  #length: Uint32Array;
  #responseStart: Uint32Array;
  #responseLength: Uint32Array;

  private constructor(handles: FileHandle[], capacity: number) {
    this.#handles = handles;
    this.#ids = new IdTable(capacity);
    this.#capacity = capacity;
    this.#file = new Uint8Array(capacity);
    this.#ok = new Uint8Array(capacity);
    this.#claimed = new Uint8Array(capacity);
    this.#offset = new Float64Array(capacity);
    this.#length = new Uint32Array(capacity);
    this.#responseStart = new Uint32Array(capacity);
    this.#responseLength = new Uint32Array(capacity);
  }

  /** Reads both files once. Close it after use. */
  static async open(files: AnswerFiles, blockBytes?: number): Promise<AnswerIndex> {
    const paths = [files.output, files.error].filter((path) => path !== null);
    const handles: FileHandle[] = [];
    try {
      let bytes = 0;
      for (const path of paths) {
        const handle = await openAnswers(path);
        handles.push(handle);
        bytes += (await handle.stat()).size;
      }
      const index = new AnswerIndex(handles, firstEntries(bytes));
      for (const [file, path] of paths.entries()) await index.#addFile(file, path, blockBytes);
      return index;
    } catch (error) {
      for (const handle of handles) await handle.close();
      throw error;
    }
  }

  /** The entry that answers the id whose bytes these are, or -1; marks it as asked for. */
  claim(id: Buffer, start: number, end: number): number {
    const entry = this.#ids.find(id, start, end);
    if (entry !== -1) this.#claimed[entry] = 1;
    return entry;
  }

  isOk(entry: number): boolean {
    return this.#ok[entry] === 1;
  }

  /** Bytes of the entry's response; 0 when it has none. */
  responseLength(entry: number): number {
    return this.#responseLength[entry]!;
  }

  /** Copies the entry's response to `into`, which has the room. */
  readResponse(entry: number, into: Buffer, at: number): void {
    const from = this.#offset[entry]! + this.#responseStart[entry]!;
    this.#read(entry, into, at, this.#responseLength[entry]!, from);
  }

  /** The whole line, parsed. */
  parse(entry: number): unknown {
    const line = Buffer.allocUnsafe(this.#length[entry]!);
    this.#read(entry, line, 0, line.length, this.#offset[entry]!);
    return JSON.parse(line.toString('utf8'));
  }

  /** How many answered ids nobody asked for. */
  countUnclaimed(): number {
    let count = 0;
    for (let entry = 0; entry < this.#ids.size; entry++) {
      if (this.#claimed[entry] === 0) count++;
    }
    return count;
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.splice(0)) await handle.close();
  }

  async #addFile(file: number, path: string, blockBytes: number | undefined): Promise<void> {
    const options = blockBytes === undefined ? { reuse: true } : { reuse: true, blockBytes };
    for await (const { buffer, start, end, offset } of lineBlocks(path, options)) {
      let at = start;
      if (offset === 0 && buffer.indexOf(BYTE_ORDER_MARK, at) === at) at += BYTE_ORDER_MARK.length;
      while (at < end) {
        const newline = buffer.indexOf(NEWLINE, at);
        this.#addLine(file, buffer, at, newline, offset + at - start);
        at = newline + 1;
      }
    }
  }

  #addLine(file: number, buffer: Buffer, start: number, newline: number, offset: number): void {
    const line = this.#line;
    if (!line.read(buffer, start, newline)) {
      if (skipBlanks(buffer, start) !== newline) this.anomalies.malformed++;
      return;
    }
    const known = this.#ids.size;
    const entry = line.idEscaped
      ? this.#addId(line.id(buffer))
      : this.#ids.add(buffer, line.idStart, line.idEnd);
    const ok = line.ok;
    if (entry < known) {
      this.anomalies.duplicate++;
      if (!ok || this.#ok[entry] === 1) return;
    } else if (entry === this.#capacity) {
      this.#grow();
    }
    this.#file[entry] = file;
    this.#ok[entry] = ok ? 1 : 0;
    this.#offset[entry] = offset;
    this.#length[entry] = newline - start;
    const hasResponse = line.responseStart !== -1;
    this.#responseStart[entry] = hasResponse ? line.responseStart - start : 0;
    this.#responseLength[entry] = hasResponse ? line.responseEnd - line.responseStart : 0;
    this.usage.input += line.usage.input;
    this.usage.cachedInput += line.usage.cachedInput;
    this.usage.output += line.usage.output;
    this.usage.reasoning += line.usage.reasoning;
  }

  #addId(id: Buffer): number {
    return this.#ids.add(id, 0, id.length);
  }

  #read(entry: number, into: Buffer, at: number, length: number, from: number): void {
    const { fd } = this.#handles[this.#file[entry]!]!;
    let done = 0;
    while (done < length) {
      // Right out of the page cache: a trip through the thread pool costs more than the copy.
      const count = readSync(fd, into, at + done, length - done, from + done);
      if (count === 0) {
        throw new MillraceError(
          'download_changed',
          'a file of downloaded answers became shorter while it was read; fetch it again',
          { retryable: true },
        );
      }
      done += count;
    }
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#file = grown(new Uint8Array(this.#capacity), this.#file);
    this.#ok = grown(new Uint8Array(this.#capacity), this.#ok);
    this.#claimed = grown(new Uint8Array(this.#capacity), this.#claimed);
    this.#offset = grown(new Float64Array(this.#capacity), this.#offset);
    this.#length = grown(new Uint32Array(this.#capacity), this.#length);
    this.#responseStart = grown(new Uint32Array(this.#capacity), this.#responseStart);
    this.#responseLength = grown(new Uint32Array(this.#capacity), this.#responseLength);
  }
}

async function openAnswers(path: string): Promise<FileHandle> {
  try {
    return await openPrivate(path, 'r');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new MillraceError(
      'download_missing',
      `the downloaded answers ${path} are gone; fetch them again, then join`,
      { retryable: true, cause: error },
    );
  }
}

/** A power of two. */
function firstEntries(bytes: number): number {
  let entries = LEAST_FIRST_ENTRIES;
  while (entries < MOST_FIRST_ENTRIES && entries * SHORT_ANSWER_BYTES < bytes) entries *= 2;
  return entries;
}

function grown<A extends Uint8Array | Uint32Array | Float64Array>(larger: A, from: A): A {
  larger.set(from);
  return larger;
}
