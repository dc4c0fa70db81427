import type { Newline } from './csv-scanner.ts';
import { rawMemory } from './raw/memory.ts';

const QUOTE = 34;
const LF = 10;
const CR = 13;
const BLANK = 32;
const OUTSIDE = 0;
const IN_QUOTED = 1;
/** Behind a quote inside a quoted field: the next byte tells whether it closes or is doubled. */
const AT_QUOTE = 2;
/** Behind a CR where a record may start: the next byte tells whether it is an empty line. */
const AT_CR = 3;

/** A piece of a source that begins and ends between records. */
export interface Cut {
  /** Offset behind its last byte. */
  readonly end: number;
  readonly records: number;
}

/** The least bytes of the piece that begins at an offset. */
export type PieceBytes = (start: number) => number;

/** Counts the records of bytes that come in chunks, and cuts at the first boundary behind each size. */
export interface BoundaryScan {
  push(chunk: Buffer): void;
  /** The end of the input; closes the last piece. */
  finish(): readonly Cut[];
}

/** What the scans share: where the next cut is due. */
class Cuts {
  readonly cuts: Cut[] = [];
  records = 0;
  due: number;
  readonly #bytes: PieceBytes;

  constructor(start: number, bytes: PieceBytes) {
    this.#bytes = bytes;
    this.due = start + bytes(start);
  }

  cut(end: number): void {
    this.cuts.push({ end, records: this.records });
    this.records = 0;
    this.due = end + this.#bytes(end);
  }
}

/**
 * The record boundaries of CSV by the same rules as CsvScanner, without its fields: a line without a
 * quote is passed in one step, and a quote opens a field only at a record's start or behind a
 * delimiter.
 */
export class CsvBoundaries implements BoundaryScan {
  readonly #cuts: Cuts;
  readonly #delimiter: number;
  readonly #cr: boolean;
  #offset: number;
  #state = OUTSIDE;
  #open = false;
  #last = -1;

  constructor(delimiter: number, newline: Newline, start: number, bytes: PieceBytes) {
    this.#delimiter = delimiter;
    this.#cr = newline === 'cr';
    this.#offset = start;
    this.#cuts = new Cuts(start, bytes);
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    if (end === 0) return;
    const cuts = this.#cuts;
    const due = () => cuts.due - this.#offset;
    let nextDue = due();
    let state = this.#state;
    let open = this.#open;
    let position = 0;
    let quote = -1;
    let lf = -1;
    let cr = this.#cr ? -1 : end;
    if (state === AT_CR) {
      state = OUTSIDE;
      if (chunk[0] === LF) position = 1;
      else open = true;
    }
    while (position < end) {
      if (state === IN_QUOTED) {
        const at = chunk.indexOf(QUOTE, position);
        if (at < 0) break;
        position = at + 1;
        state = AT_QUOTE;
        continue;
      }
      if (state === AT_QUOTE) {
        if (chunk[position] === QUOTE) {
          position++;
          state = IN_QUOTED;
          continue;
        }
        state = OUTSIDE;
      }
      if (!open) {
        const byte = chunk[position];
        if (byte === LF || (byte === CR && this.#cr)) {
          position++;
          continue;
        }
        if (byte === CR && (position + 1 === end || chunk[position + 1] === LF)) {
          if (position + 1 === end) state = AT_CR;
          position += 2;
          continue;
        }
        open = true;
        if (byte === QUOTE) {
          position++;
          state = IN_QUOTED;
          continue;
        }
      }
      if (quote < position) quote = find(chunk, QUOTE, position);
      if (lf < position) lf = find(chunk, LF, position);
      if (cr < position) cr = find(chunk, CR, position);
      const eol = Math.min(lf, cr);
      if (eol < quote) {
        position = eol + 1;
        open = false;
        cuts.records++;
        if (position >= nextDue) {
          cuts.cut(this.#offset + position);
          nextDue = due();
        }
      } else if (quote < end) {
        const before = quote > 0 ? chunk[quote - 1] : this.#last;
        if (before === this.#delimiter) state = IN_QUOTED;
        position = quote + 1;
      } else {
        break;
      }
    }
    this.#state = state;
    this.#open = open;
    this.#last = chunk[end - 1]!;
    this.#offset += end;
  }

  finish(): readonly Cut[] {
    if (this.#open) this.#cuts.records++;
    this.#cuts.cut(this.#offset);
    return this.#cuts.cuts;
  }
}

/** The record boundaries of NDJSON: lines that are not blank. */
export class LineBoundaries implements BoundaryScan {
  readonly #cuts: Cuts;
  readonly #maxLineBytes: number;
  readonly #memory = rawMemory();
  #offset: number;
  #blank = true;
  #length = 0;

  /** `maxLineBytes`: a longer line counts as a record even when it is blank, as for the parser. */
  constructor(maxLineBytes: number, start: number, bytes: PieceBytes) {
    this.#maxLineBytes = maxLineBytes;
    this.#offset = start;
    this.#cuts = new Cuts(start, bytes);
  }

  push(chunk: Buffer): void {
    if (!this.#pass(chunk)) this.#walk(chunk);
    this.#offset += chunk.length;
  }

  /** Counts all lines at once where there is neither a cut nor what may be a blank line. */
  #pass(chunk: Buffer): boolean {
    const { bytes, kernel } = this.#memory;
    const end = chunk.length;
    if (chunk.buffer !== bytes.buffer || end === 0) return false;
    if (this.#offset + end >= this.#cuts.due || (this.#blank && chunk[0]! <= BLANK)) return false;
    const lines = kernel.lines(chunk.byteOffset, chunk.byteOffset + end);
    if (lines === -1) return false;
    this.#cuts.records += lines;
    this.#blank = chunk[end - 1] === LF;
    this.#length = 0;
    return true;
  }

  #walk(chunk: Buffer): void {
    const cuts = this.#cuts;
    let position = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, position)) {
      this.#look(chunk, position, at);
      this.#endLine();
      position = at + 1;
      if (this.#offset + position >= cuts.due) cuts.cut(this.#offset + position);
    }
    this.#look(chunk, position, chunk.length);
  }

  finish(): readonly Cut[] {
    this.#endLine();
    this.#cuts.cut(this.#offset);
    return this.#cuts.cuts;
  }

  #look(chunk: Buffer, start: number, end: number): void {
    this.#length += end - start;
    for (let i = start; this.#blank && i < end; i++) {
      const byte = chunk[i]!;
      if (byte !== 32 && byte !== 9 && byte !== CR) this.#blank = false;
    }
  }

  #endLine(): void {
    if (!this.#blank || this.#length > this.#maxLineBytes + 1) this.#cuts.records++;
    this.#blank = true;
    this.#length = 0;
  }
}

function find(chunk: Buffer, byte: number, from: number): number {
  const at = chunk.indexOf(byte, from);
  return at < 0 ? chunk.length : at;
}
