import type { Usage } from '../core/job.ts';
import type { AnswerKernel } from './answer-kernel.ts';
import { AnswerLine, COUNTS } from './answer-line.ts';
import type { AnswerReader } from './answer-reader.ts';
import { AnswerShape } from './answer-shape.ts';
import { IdTable } from './id-table.ts';
import { skipBlanks } from './json-bytes.ts';
import { ALL_LINES, FAILED, ODD_LINE, OK } from './kernel/layout.ts';
import { lineBlocks } from './line-blocks.ts';

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
const FEW_IDS = 1024;
const NEWLINE = 0x0a;

/** What was odd about the answers; nothing of it stops a join. */
export interface AnswerAnomalies {
  /** Lines beyond the one that counts, for ids that were answered more than once. */
  duplicate: number;
  /** Lines that are not one whole JSON object with a custom_id: cut, garbled or foreign. */
  malformed: number;
}

/**
 * Where the answers of one batch lie in its files: a place for each number of an id of the shard,
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
  readonly reader: AnswerReader;

  readonly #kernel: AnswerKernel;
  readonly #line = new AnswerLine();
  #shape: AnswerShape | null = null;
  /** Ids that the shard does not have, and what was found for each. */
  readonly #others = new IdTable(FEW_IDS);
  readonly #othersFound: number[] = [];

  private constructor(reader: AnswerReader, kernel: AnswerKernel) {
    this.reader = reader;
    this.#kernel = kernel;
  }

  /** Reads both files once, with a kernel that has the shard's ids. */
  static async read(reader: AnswerReader, kernel: AnswerKernel): Promise<AnswerIndex> {
    const index = new AnswerIndex(reader, kernel);
    for (const { path, before } of reader.files) await index.#addFile(path, before);
    for (const [n, count] of kernel.usage().entries()) index.usage[COUNTS[n]!] += count;
    return index;
  }

  /** Whether there is an answer for the id with this number. */
  has(entry: number): boolean {
    return this.#kernel.found[entry] === FAILED || this.isOk(entry);
  }

  isOk(entry: number): boolean {
    return this.#kernel.found[entry] === OK;
  }

  /** The place of the entry's response, as the reader counts. */
  responseStart(entry: number): number {
    return this.#kernel.starts[entry]! + this.#kernel.responseStarts[entry]!;
  }

  /** Bytes of the entry's response; 0 when it has none. */
  responseLength(entry: number): number {
    return this.#kernel.responseLengths[entry]!;
  }

  /** The whole line, parsed. */
  parse(entry: number): unknown {
    const line = Buffer.allocUnsafe(this.#kernel.lengths[entry]!);
    this.reader.read(this.#kernel.starts[entry]!, line.length, line, 0);
    return JSON.parse(line.toString('utf8'));
  }

  /** How many ids have an answer that are not the shard's. */
  get unknown(): number {
    return this.#others.size;
  }

  async #addFile(path: string, before: number): Promise<void> {
    for await (const block of lineBlocks(path, { buffers: this.#kernel.blocks })) {
      const { buffer, start, end, offset } = block;
      const first = start + (offset === 0 ? BYTE_ORDER_MARK.length : 0);
      const from = BYTE_ORDER_MARK.equals(buffer.subarray(start, first)) ? first : start;
      const place = before + offset - start;
      if (this.#kernel.holds(buffer)) this.#addLines(buffer, from, end, place);
      else this.#addOther(buffer, from, buffer.indexOf(NEWLINE, from), place);
    }
  }

  /** `place` is that of the buffer's first byte. */
  #addLines(buffer: Buffer, start: number, end: number, place: number): void {
    const kernel = this.#kernel;
    for (let at = start; at < end; ) {
      const why = kernel.takeLines(buffer, at, end, place + at);
      if (why === ALL_LINES) return;
      const stopped = kernel.stoppedAt(buffer);
      const newline = buffer.indexOf(NEWLINE, stopped);
      if (stopped > at || why === ODD_LINE) this.#shape?.matched();
      if (why === ODD_LINE) {
        this.#shape!.fill(this.#line, buffer);
        this.#take(buffer, stopped, newline, place);
      } else {
        this.#shape?.missed();
        this.#addOther(buffer, stopped, newline, place);
      }
      at = newline + 1;
    }
  }

  /** Adds a line that has not the shape. */
  #addOther(buffer: Buffer, start: number, newline: number, place: number): void {
    const line = this.#line;
    if (!line.read(buffer, start, newline)) {
      if (skipBlanks(buffer, start) !== newline) this.anomalies.malformed++;
      return;
    }
    this.#take(buffer, start, newline, place);
    if (this.#shape?.worn === false) return;
    this.#shape = new AnswerShape(this.#kernel, line, buffer, start, newline);
  }

  #take(buffer: Buffer, start: number, newline: number, place: number): void {
    const line = this.#line;
    const found = line.ok ? OK : FAILED;
    const entry = line.idEscaped
      ? this.#find(line.id(buffer))
      : this.#find(buffer, line.idStart, line.idEnd);
    const table = entry.other ? this.#othersFound : this.#kernel.found;
    const before = table[entry.number] ?? 0;
    if (before !== 0) {
      this.anomalies.duplicate++;
      if (found === FAILED || before === OK) return;
    }
    table[entry.number] = found;
    for (const key of COUNTS) this.usage[key] += line.usage[key];
    if (entry.other) return;
    const { starts, lengths, responseStarts, responseLengths } = this.#kernel;
    const responds = line.responseStart !== -1;
    starts[entry.number] = place + start;
    lengths[entry.number] = newline - start;
    responseStarts[entry.number] = responds ? line.responseStart - start : 0;
    responseLengths[entry.number] = responds ? line.responseEnd - line.responseStart : 0;
  }

  /** The number of an id, of the shard or another one. */
  #find(id: Buffer, start = 0, end = id.length): { number: number; other: boolean } {
    const number = this.#kernel.findId(id, start, end);
    if (number !== -1) return { number, other: false };
    return { number: this.#others.add(id, start, end), other: true };
  }
}
