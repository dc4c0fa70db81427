import { FieldTexts } from './field-texts.ts';
import { type JsonShape, shapeOf, skipNested, standsAt } from './json-shape.ts';
import { type ObjectMaker, objectMaker } from './object-maker.ts';
import { viewOf } from './words.ts';

const QUOTE = 0x22;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/** Longer objects are JSON.parse's. */
const MOST_BYTES = 1024 * 1024; // 1 MiB
/** Digits of a number whose quotient by a power of ten is the nearest one. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => 10 ** n);

/** An object of another shape costs so many of the known one, for it is looked at twice. */
const MISS_COST = 4;
const MOST_CREDIT = 64;
/** Objects left to JSON.parse once the credit is gone. */
const REST = 256;

const WORDS = [
  { text: Buffer.from('true'), value: true },
  { text: Buffer.from('false'), value: false },
  { text: Buffer.from('null'), value: null },
] as const;

/**
 * Reads objects as JSON.parse does, where they are written like the last one that JSON.parse read:
 * the same keys in the same order with the same blanks. Anything else is left to JSON.parse, and so
 * is what is not JSON.
 */
export class JsonObjects {
  /** Offset behind the object that was read last. */
  end = 0;

  #shape: JsonShape | null = null;
  #make: ObjectMaker<unknown> = objectMaker([]);
  #texts = new FieldTexts(0);
  #data: Buffer = Buffer.alloc(0);
  #view = viewOf(this.#data);
  #credit = MOST_CREDIT;
  #rest = 0;

  /** The object at `start`, or null when it has to be read by JSON.parse. */
  read(data: Buffer, start: number, limit: number): object | null {
    const shape = this.#shape;
    if (shape === null) return null;
    if (data !== this.#data) {
      this.#data = data;
      this.#view = viewOf(data);
    }
    const { gaps, tail } = shape;
    const texts = this.#texts;
    const stop = Math.min(limit, start + MOST_BYTES);
    texts.begin(stop - start);
    let at = start;
    for (let field = 0; field < gaps.length; field++) {
      const gap = gaps[field]!;
      if (!standsAt(data, at, gap)) return null;
      at = this.#value(field, at + gap.length, stop);
      if (at === -1) return null;
    }
    if (at + tail.length > stop || !standsAt(data, at, tail)) return null;
    this.end = at + tail.length;
    if (this.#credit < MOST_CREDIT) this.#credit++;
    texts.finish();
    return this.#make(texts.values);
  }

  /** Told each object that JSON.parse made of `data[start, end)`. */
  learn(data: Buffer, start: number, end: number, object: object): void {
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    this.#credit -= MISS_COST;
    const tooMany = this.#credit < 0;
    const shape = tooMany ? null : shapeOf(data, start, end, object);
    // What is mostly objects and arrays is JSON.parse's anyway.
    this.#shape = shape === null || shape.nested * 2 > end - start ? null : shape;
    if (this.#shape === null) {
      this.#rest = REST;
    } else {
      this.#make = objectMaker(this.#shape.names);
      this.#texts = new FieldTexts(this.#shape.names.length);
    }
    if (tooMany) this.#credit = MISS_COST;
  }

  /** Takes the value of a field; gives where it ends, or -1. */
  #value(field: number, start: number, limit: number): number {
    const data = this.#data;
    const byte = data[start]!;
    if (byte === QUOTE) return this.#texts.escaped(field, data, this.#view, start + 1, limit);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return this.#nested(field, start, limit);
    const after = this.#number(field, start, limit);
    if (after !== -1) return after;
    for (const { text, value } of WORDS) {
      if (!standsAt(data, start, text) || start + text.length > limit) continue;
      this.#texts.values[field] = value;
      return start + text.length;
    }
    return -1;
  }

  /** Whole numbers and decimals of a few digits; any other is left to JSON.parse. */
  #number(field: number, start: number, limit: number): number {
    const data = this.#data;
    let at = data[start] === MINUS ? start + 1 : start;
    const first = at;
    let point = -1;
    let value = 0;
    for (; at < limit; at++) {
      const digit = data[at]! - ZERO;
      if (digit >= 0 && digit <= 9) value = value * 10 + digit;
      else if (data[at] === POINT && point === -1) point = at;
      else break;
    }
    const fraction = point === -1 ? 0 : at - point - 1;
    const whole = (point === -1 ? at : point) - first;
    const leading = data[first] === ZERO && whole > 1;
    if (whole === 0 || leading || (point !== -1 && fraction === 0)) return -1;
    if (whole + fraction > EXACT_DIGITS || EXPONENT[data[at]!] === 1) return -1;
    if (fraction > 0) value /= POWERS[fraction]!;
    this.#texts.values[field] = first === start ? value : -value;
    return at;
  }

  #nested(field: number, start: number, limit: number): number {
    const after = skipNested(this.#data, start, limit);
    if (after === -1) return -1;
    try {
      this.#texts.values[field] = JSON.parse(this.#data.toString('utf8', start, after));
      return after;
    } catch {
      return -1;
    }
  }
}

const EXPONENT = new Uint8Array(256);
EXPONENT[0x45] = EXPONENT[0x65] = 1;
