import { readSync } from 'node:fs';

const NEWLINE = 0x0a;
const ZERO = 0x30;
const WINDOW_BYTES = 8 * 1024; // 8 KiB
/** More than a prefix and a number take. */
const MOST_HEAD_BYTES = 256;

/** Finds a line by the number that stands behind `prefix` at its start; numbers go up by one. */
export interface NumberedLines {
  readonly fd: number;
  /** Of the file. */
  readonly bytes: number;
  readonly prefix: Buffer;
  /** The number of the first line. */
  readonly first: number;
  readonly lines: number;
}

/**
 * Looks single lines up in a large file, in ascending order, without reading what lies between them:
 * it reads where the line should be if all were equally long, and goes on from what it finds there.
 */
export class LineFinder {
  /** The line that was found, from `start` to the newline at `end`; valid until the next call. */
  buffer: Buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  start = 0;
  end = 0;
  readonly #file: NumberedLines;
  /** Where the buffer's bytes lie in the file, and how many there are. */
  #offset = 0;
  #count = 0;
  /** A line that is known: the one after the last that was found. */
  #known = { number: 0, offset: 0 };

  constructor(file: NumberedLines) {
    this.#file = file;
    this.#known.number = file.first;
  }

  /** False when there is no such line, or none of the kind where it should be. */
  find(number: number): boolean {
    const { bytes, first, lines } = this.#file;
    let above = { number: first + lines, offset: bytes };
    for (;;) {
      const at = this.#guess(number, above);
      if (!this.#read(at)) return false;
      const start = at === this.#known.offset ? at : this.#lineAfter(at);
      // No line begins here: what is known lies before, and going on from there always ends.
      if (start === -1 || start >= above.offset) return this.#goOn(number);
      // Its number may lie at the end of what was read.
      if (start + MOST_HEAD_BYTES > this.#offset + this.#count) this.#move(start);
      const found = this.#numberAt(start);
      if (found === -1) return false;
      if (found > number) {
        above = { number: found, offset: start };
        continue;
      }
      this.#known = { number: found, offset: start };
      return this.#goOn(number);
    }
  }

  /** Where to read so that the line lies a little behind. */
  #guess(number: number, above: { number: number; offset: number }): number {
    const { number: below, offset } = this.#known;
    const mean = (above.offset - offset) / (above.number - below);
    const guess = Math.floor(offset + (number - below) * mean - WINDOW_BYTES / 4);
    const inWindow = guess < this.#offset + this.#count && offset >= this.#offset;
    return guess <= offset || inWindow ? offset : guess;
  }

  /** Goes from the known line to the one with the number, line by line. */
  #goOn(number: number): boolean {
    let { number: at, offset } = this.#known;
    for (; ; at++) {
      if (!this.#read(offset)) return false;
      let newline = this.buffer.indexOf(NEWLINE, offset - this.#offset);
      if (newline === -1 || newline >= this.#count) {
        newline = this.#readLine(offset);
        if (newline === -1) return false;
      }
      if (this.#numberAt(offset) !== at) return false;
      const after = this.#offset + newline + 1;
      if (at === number) {
        this.start = offset - this.#offset;
        this.end = newline;
        this.#known = { number: number + 1, offset: after };
        return true;
      }
      offset = after;
    }
  }

  /** Has the bytes from `offset` on in the buffer; false at the end of the file. */
  #read(offset: number): boolean {
    if (offset >= this.#offset && offset < this.#offset + this.#count) return true;
    this.#move(offset);
    return this.#count > 0;
  }

  #move(offset: number): void {
    this.#offset = offset;
    this.#count = this.#fill(0);
  }

  /** Has the whole line from `offset` on in the buffer, which grows for it; gives its newline, or -1. */
  #readLine(offset: number): number {
    this.#offset = offset;
    for (this.#count = 0; ; ) {
      const more = this.#fill(this.#count);
      const newline = this.buffer.subarray(0, this.#count + more).indexOf(NEWLINE, this.#count);
      this.#count += more;
      if (newline !== -1 || more === 0) return newline;
      const larger = Buffer.allocUnsafeSlow(this.buffer.length * 2);
      this.buffer.copy(larger, 0, 0, this.#count);
      this.buffer = larger;
    }
  }

  #fill(from: number): number {
    const { buffer } = this;
    const length = buffer.length - from;
    return length === 0 ? 0 : readSync(this.#file.fd, buffer, from, length, this.#offset + from);
  }

  /** Where the next line begins behind `offset`, or -1 when none does in the buffer. */
  #lineAfter(offset: number): number {
    const newline = this.buffer.indexOf(NEWLINE, offset - this.#offset);
    if (newline === -1 || newline + 1 >= this.#count) return -1;
    return this.#offset + newline + 1;
  }

  /** The number at the start of the line at `offset`, or -1 when it is another kind of line. */
  #numberAt(offset: number): number {
    const { prefix } = this.#file;
    const { buffer } = this;
    const digits = offset - this.#offset + prefix.length;
    if (digits >= this.#count || prefix.compare(buffer, digits - prefix.length, digits) !== 0) {
      return -1;
    }
    let number = 0;
    let at = digits;
    for (; at < this.#count; at++) {
      const digit = buffer[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      number = number * 10 + digit;
    }
    return at === digits ? -1 : number;
  }
}
