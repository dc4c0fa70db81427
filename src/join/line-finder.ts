import type { FilePart } from './file-part.ts';

const NEWLINE = 0x0a;
const ZERO = 0x30;
/** Lines so near are gone through one by one. */
const NEAR_BYTES = 8 * 1024; // 8 KiB
/** How far before its likely place a line is looked for. */
const MARGIN_BYTES = 2 * 1024; // 2 KiB
/** Read before that when the place is far: it may have been guessed too high. */
const LEAD_BYTES = 24 * 1024; // 24 KiB
/** More than a prefix and a number take. */
const MOST_HEAD_BYTES = 256;

/** Finds a line by the number that stands behind `prefix` at its start; numbers go up by one. */
export interface NumberedLines {
  readonly part: FilePart;
  readonly prefix: Buffer;
  /** The number of the first line. */
  readonly first: number;
  readonly lines: number;
}

/** A line that is known. */
interface KnownLine {
  readonly number: number;
  /** Where it begins in the file. */
  readonly offset: number;
}

/**
 * Looks single lines up in a large file, in ascending order, without looking at what lies between them:
 * it goes where the line should be if all were equally long, and goes on from what it finds there.
 */
export class LineFinder {
  /** The line that was found, from `start` to the newline at `end`; valid until the next call. */
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly #file: NumberedLines;
  readonly #part: FilePart;
  /** The one after the last that was found, or one nearer to what is looked for. */
  #known: KnownLine;
  /** One behind what is looked for. */
  #above: KnownLine;
  /** Whether all that is left is to go on line by line. */
  #goesOn = false;
  /** What has to be in memory to go on. */
  #wants = 0;

  constructor(file: NumberedLines) {
    const { part, first, lines } = file;
    this.#file = file;
    this.#part = part;
    this.#known = { number: first, offset: 0 };
    this.#above = { number: first + lines, offset: part.bytes };
  }

  /** False when there is no such line, or none of the kind where it should be. */
  find(number: number): boolean | Promise<boolean> {
    const { first, lines } = this.#file;
    this.#above = { number: first + lines, offset: this.#part.bytes };
    this.#goesOn = false;
    return this.#findOn(number);
  }

  #findOn(number: number): boolean | Promise<boolean> {
    for (;;) {
      const found = this.#look(number);
      if (found !== null) return found;
      const more = this.#part.reach(this.#wants, LEAD_BYTES);
      if (more === false) return false;
      if (more !== true) return more.then((there) => there && this.#findOn(number));
    }
  }

  /** As `find`, in what is in memory; null when it wants more. */
  #look(number: number): boolean | null {
    const part = this.#part;
    while (!this.#goesOn) {
      const at = this.#guess(number);
      if (at === this.#known.offset) break;
      if (!part.has(at)) return this.#want(at);
      const start = this.#lineAfter(at);
      // Its number may lie at the end of what was read.
      const whole = start !== -1 && start + MOST_HEAD_BYTES <= part.to;
      if (!whole && part.to < part.bytes) return this.#want(at);
      // No line begins here: what is known lies before, and going on from there always ends.
      if (start === -1 || start >= this.#above.offset) break;
      const found = this.#numberAt(start);
      if (found === -1) return false;
      const line = { number: found, offset: start };
      if (found > number) this.#above = line;
      else if (found > this.#known.number) this.#known = line;
      else return false;
    }
    this.#goesOn = true;
    return this.#goOn(number);
  }

  #want(offset: number): null {
    this.#wants = offset;
    return null;
  }

  /** Where to look so that the line lies a little behind. */
  #guess(number: number): number {
    const { number: below, offset } = this.#known;
    const { number: above, offset: end } = this.#above;
    const ahead = ((number - below) * (end - offset)) / (above - below);
    return ahead < NEAR_BYTES ? offset : Math.floor(offset + ahead - MARGIN_BYTES);
  }

  /** Goes from the known line to the one with the number, line by line. */
  #goOn(number: number): boolean | null {
    const part = this.#part;
    let { number: at, offset } = this.#known;
    for (; ; at++) {
      const newline = part.has(offset) ? this.#newlineFrom(offset) : -1;
      if (newline === -1) {
        this.#known = { number: at, offset };
        return this.#want(offset);
      }
      if (this.#numberAt(offset) !== at) return false;
      if (at === number) {
        this.buffer = part.buffer;
        this.start = offset - part.origin;
        this.end = newline - part.origin;
        this.#known = { number: number + 1, offset: newline + 1 };
        return true;
      }
      offset = newline + 1;
    }
  }

  /** Where the next line begins behind `offset`, or -1 when none does in memory. */
  #lineAfter(offset: number): number {
    const newline = this.#newlineFrom(offset);
    return newline === -1 || newline + 1 >= this.#part.to ? -1 : newline + 1;
  }

  /** The first newline from `offset` on, or -1 when none is in memory. */
  #newlineFrom(offset: number): number {
    const { buffer, origin, to } = this.#part;
    const newline = buffer.indexOf(NEWLINE, offset - origin);
    return newline === -1 || newline + origin >= to ? -1 : newline + origin;
  }

  /** The number at the start of the line at `offset`, or -1 when it is another kind of line. */
  #numberAt(offset: number): number {
    const { prefix } = this.#file;
    const { buffer, origin, to } = this.#part;
    const end = to - origin;
    const digits = offset - origin + prefix.length;
    if (digits >= end || prefix.compare(buffer, digits - prefix.length, digits) !== 0) return -1;
    let number = 0;
    let at = digits;
    for (; at < end; at++) {
      const digit = buffer[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      number = number * 10 + digit;
    }
    return at === digits ? -1 : number;
  }
}
