import type { Usage } from '../core/job.ts';
import { giveBuffer, takeRoughly } from '../streams/spare-buffers.ts';
import { AnswerLine } from './answer-line.ts';
import type { AnswerReader } from './answer-reader.ts';
import { skipBlanks } from './json-bytes.ts';
import { lineBlocks } from './line-blocks.ts';

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
/** Room at first: the 100,000 answers of a full batch at most; memory that is not touched is not taken. */
const MOST_FIRST_ENTRIES = 128 * 1024;
const LEAST_FIRST_ENTRIES = 1024;
/** The length of a short answer: a small file takes small tables. */
const SHORT_ANSWER_BYTES = 256;
const NEWLINE = 0x0a;

/** Of the tables, for each number. */
const ENTRY_BYTES = 21;

const FAILED = 1;
const OK = 2;

/** Numbers ids from 0 on; the same id always gets the same number. */
export interface AnswerIds {
  /** Above every number given so far. */
  readonly size: number;
  add(bytes: Buffer, start: number, end: number): number;
}

/** What was odd about the answers; nothing of it stops a join. */
export interface AnswerAnomalies {
  /** Lines beyond the one that counts, for ids that were answered more than once. */
  duplicate: number;
  /** Lines that are not one whole JSON object with a custom_id: cut, garbled or foreign. */
  malformed: number;
}

/**
 * Where the answers of one batch lie in its files: a place for each number that `ids` gives to a
 * custom_id, whatever the size of the answers. For each id the first ok answer counts, else the
 * first one.
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
  readonly reader: AnswerReader;

  readonly #ids: AnswerIds;
  readonly #line = new AnswerLine();
  /** What the tables begin in; they leave it when they grow. */
  readonly #room: Buffer;
  #capacity: number;
  /** 0 without an answer, else FAILED or OK. */
  #found: Uint8Array;
  /** Of the line, as the reader counts; the response's start counts from it. Lengths in bytes. */
  #start: Float64Array;
  #length: Uint32Array;
  #responseStart: Uint32Array;
  #responseLength: Uint32Array;

  private constructor(reader: AnswerReader, ids: AnswerIds) {
    const capacity = ids.size > 0 ? ids.size : likelyAnswers(reader.bytes);
    this.reader = reader;
    this.#ids = ids;
    this.#capacity = capacity;
    this.#room = takeRoughly(capacity * ENTRY_BYTES);
    const { buffer } = this.#room;
    this.#start = new Float64Array(buffer, 0, capacity);
    this.#length = new Uint32Array(buffer, 8 * capacity, capacity);
    this.#responseStart = new Uint32Array(buffer, 12 * capacity, capacity);
    this.#responseLength = new Uint32Array(buffer, 16 * capacity, capacity);
    this.#found = new Uint8Array(buffer, 20 * capacity, capacity).fill(0);
  }

  /** Reads both files once. */
  static async read(
    reader: AnswerReader,
    ids: AnswerIds,
    blockBytes?: number,
  ): Promise<AnswerIndex> {
    const index = new AnswerIndex(reader, ids);
    for (const { path, before } of reader.files) await index.#addFile(path, before, blockBytes);
    return index;
  }

  /** Whether there is an answer for the id with this number. */
  has(entry: number): boolean {
    const found = this.#found[entry];
    return found === FAILED || found === OK;
  }

  isOk(entry: number): boolean {
    return this.#found[entry] === OK;
  }

  /** The place of the entry's response, as the reader counts. */
  responseStart(entry: number): number {
    return this.#start[entry]! + this.#responseStart[entry]!;
  }

  /** Bytes of the entry's response; 0 when it has none. */
  responseLength(entry: number): number {
    return this.#responseLength[entry]!;
  }

  /** The whole line, parsed. */
  parse(entry: number): unknown {
    const line = Buffer.allocUnsafe(this.#length[entry]!);
    this.reader.read(this.#start[entry]!, line.length, line, 0);
    return JSON.parse(line.toString('utf8'));
  }

  /** How many ids have an answer. */
  countAnswered(): number {
    let count = 0;
    for (let entry = 0; entry < this.#ids.size; entry++) if (this.#found[entry] !== 0) count++;
    return count;
  }

  /** Gives its memory back; not to be asked any more. */
  end(): void {
    giveBuffer(this.#room);
  }

  async #addFile(path: string, before: number, blockBytes: number | undefined): Promise<void> {
    const options = blockBytes === undefined ? { reuse: true } : { reuse: true, blockBytes };
    for await (const { buffer, start, end, offset } of lineBlocks(path, options)) {
      let at = start;
      if (offset === 0 && buffer.indexOf(BYTE_ORDER_MARK, at) === at) at += BYTE_ORDER_MARK.length;
      while (at < end) {
        const newline = buffer.indexOf(NEWLINE, at);
        this.#addLine(buffer, at, newline, before + offset + at - start);
        at = newline + 1;
      }
    }
  }

  #addLine(buffer: Buffer, start: number, newline: number, place: number): void {
    const line = this.#line;
    if (!line.read(buffer, start, newline)) {
      if (skipBlanks(buffer, start) !== newline) this.anomalies.malformed++;
      return;
    }
    const entry = line.idEscaped
      ? this.#addId(line.id(buffer))
      : this.#ids.add(buffer, line.idStart, line.idEnd);
    this.#reserve(entry + 1);
    const found = line.ok ? OK : FAILED;
    if (this.#found[entry] !== 0) {
      this.anomalies.duplicate++;
      if (found === FAILED || this.#found[entry] === OK) return;
    }
    this.#found[entry] = found;
    this.#start[entry] = place;
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

  #reserve(entries: number): void {
    if (entries <= this.#capacity) return;
    this.#capacity = Math.max(entries, this.#capacity * 2);
    this.#found = grown(new Uint8Array(this.#capacity), this.#found);
    this.#start = grown(new Float64Array(this.#capacity), this.#start);
    this.#length = grown(new Uint32Array(this.#capacity), this.#length);
    this.#responseStart = grown(new Uint32Array(this.#capacity), this.#responseStart);
    this.#responseLength = grown(new Uint32Array(this.#capacity), this.#responseLength);
  }
}

/** Room for the answers of files of so many bytes: a power of two. */
export function likelyAnswers(bytes: number): number {
  let entries = LEAST_FIRST_ENTRIES;
  while (entries < MOST_FIRST_ENTRIES && entries * SHORT_ANSWER_BYTES < bytes) entries *= 2;
  return entries;
}

function grown<A extends Uint8Array | Uint32Array | Float64Array>(larger: A, from: A): A {
  larger.set(from);
  return larger;
}
