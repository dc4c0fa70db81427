import { Carry } from './carry.ts';
import { defineStage, type Stage } from './stage.ts';

const LF = 10;

export interface LineOptions {
  /** A longer line is not kept; see Lines. Bytes without the line end; default no limit. */
  readonly maxLineBytes?: number;
  /** Offset in the source of the first chunk. Default 0. */
  readonly startAt?: number;
  /** Where the bytes are put to be read; see Carry. Default: they stay in their chunk. */
  readonly home?: Buffer | undefined;
}

/** The whole lines found by one `push`; valid until the next one. */
export interface Lines {
  readonly count: number;
  readonly data: Buffer;
  /**
   * Pairs of start and end in `data`, the LF not included (a CR before it is). The end is -1 when
   * the line is longer than the limit and its bytes are gone.
   */
  readonly bounds: Int32Array;
  /** Offset in the source of a line's first byte. */
  byteOf(index: number): number;
}

/** Cuts bytes at each LF, in chunks of any size. Memory is one chunk and one line. */
export class LineSplitter implements Lines {
  count = 0;
  data: Buffer = Buffer.alloc(0);
  bounds = new Int32Array(2 * 1024);

  readonly #carry: Carry;
  readonly #maxLineBytes: number;
  /** Offset in the source of data[0]. */
  #dataByte: number;
  /** Offset in the source of the first line of `data`, which may have begun before it. */
  #firstByte: number;
  #openByte: number;
  /** Offset in the source of what is kept or comes next. */
  #nextByte: number;
  #skipping = false;

  constructor(options: LineOptions = {}) {
    this.#carry = new Carry(options.home);
    this.#maxLineBytes = options.maxLineBytes ?? Number.POSITIVE_INFINITY;
    this.#nextByte = options.startAt ?? 0;
    this.#dataByte = this.#nextByte;
    this.#firstByte = this.#nextByte;
    this.#openByte = this.#nextByte;
  }

  /** Where the line starts that has begun and not ended; the end of the bytes when there is none. */
  get openByte(): number {
    return this.#openByte;
  }

  byteOf(index: number): number {
    return index === 0 ? this.#firstByte : this.#dataByte + this.bounds[index * 2]!;
  }

  /** The lines that end in the chunk. */
  push(chunk: Uint8Array): Lines {
    const searched = this.#carry.length;
    const data = this.#begin(chunk);
    let start = 0;
    for (let at = data.indexOf(LF, searched); at >= 0; at = data.indexOf(LF, start)) {
      this.#line(start, at);
      start = at + 1;
    }
    // One byte more than the limit may be the CR of a line end.
    if (data.length - start > this.#maxLineBytes + 1) this.#skipping = true;
    this.#end(start, this.#skipping ? data.length : start);
    return this;
  }

  /** The end of the input: the last line, when it has no line end. */
  flush(): Lines {
    const data = this.#begin(Buffer.alloc(0));
    if (data.length > 0 || this.#skipping) this.#line(0, data.length);
    this.#end(data.length, data.length);
    return this;
  }

  #begin(chunk: Uint8Array): Buffer {
    this.data = this.#carry.join(chunk);
    this.count = 0;
    this.#dataByte = this.#nextByte;
    this.#firstByte = this.#openByte;
    return this.data;
  }

  #end(start: number, dropped: number): void {
    if (this.count > 0) this.#openByte = this.#dataByte + start;
    this.#carry.keep(this.data, dropped);
    this.#nextByte += dropped;
  }

  #line(start: number, end: number): void {
    if (this.count * 2 === this.bounds.length) {
      const grown = new Int32Array(this.bounds.length * 2);
      grown.set(this.bounds);
      this.bounds = grown;
    }
    const bytes = end - start - (end > start && this.data[end - 1] === 13 ? 1 : 0);
    const long = this.#skipping || bytes > this.#maxLineBytes;
    this.bounds[this.count * 2] = start;
    this.bounds[this.count * 2 + 1] = long ? -1 : end;
    this.#skipping = false;
    this.count++;
  }
}

/** A stage from bytes to lines without their LF; each line is a copy of its own. */
export function splitLines(): Stage<Uint8Array, Buffer> {
  return defineStage(async function* (source) {
    const splitter = new LineSplitter();
    for await (const chunk of source) yield* copies(splitter.push(chunk));
    yield* copies(splitter.flush());
  });
}

function* copies(lines: Lines): Generator<Buffer> {
  for (let i = 0; i < lines.count; i++) {
    yield Buffer.from(lines.data.subarray(lines.bounds[i * 2]!, lines.bounds[i * 2 + 1]!));
  }
}
