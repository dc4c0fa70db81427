import { type JsonShape, shapeOf, standsAt } from '../json-shape.ts';
import { MAX_DEPTH } from '../parser.ts';
import { firstOf, stopsIn, viewOf } from '../words.ts';
import type { Arena } from './arena.ts';
import { BACKSLASH, copyBytes, ESCAPES, QUOTE, rewriteInto, USUAL_LETTERS } from './json-text.ts';
import { ABSENT, ESCAPED, NESTED, NULL, RawRecord, SCALAR, TEXT } from './raw-record.ts';

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const CR = 0x0d;
const POINT = 0x2e;
const ZERO = 0x30;
const U = 0x75;

/** After so many lines that were not taken, new keys are learned only now and then. */
const MOST_MISSES = 100;

/** Digits of an integer that is surely written as JavaScript writes it. */
const SAFE_DIGITS = 15;

const WORDS = [
  { text: Buffer.from('true'), kind: SCALAR },
  { text: Buffer.from('false'), kind: SCALAR },
  { text: Buffer.from('null'), kind: NULL },
] as const;

/** The keys that records have, in their order, and how they are written. */
interface Shape extends JsonShape {
  /** Each key as JSON.stringify writes it: `"id":`. */
  readonly keys: readonly Buffer[];
  /** Whether there are no blanks around the values. */
  readonly compact: boolean;
  /** By key: which of the fields asked for it is, or -1. */
  readonly wanted: Int32Array;
}

/**
 * Takes lines of NDJSON whose keys are known, in their order, with the blanks of the last line that
 * was parsed. A line is taken as it is where `JSON.stringify(JSON.parse(line))` would give the same
 * bytes; blanks, and values in another form, are put into that form. A line that is anything else is
 * left to the parser.
 */
export class NdjsonJson {
  readonly #arena: Arena;
  readonly #fields: readonly string[];
  #shape: Shape | null = null;
  /** Lines since the last one that was taken. */
  #misses = 0;
  /** Triples of start, end and kind of the line's values; the kind is negative for an unusual form. */
  #values = new Int32Array(0);
  /** Of the line that is rewritten: values that are not put in as they are. */
  readonly #texts: (Buffer | null)[] = [];
  /** Of the value that was read last. */
  #kind = ABSENT;
  #usual = true;
  #data: Buffer = Buffer.alloc(0);
  #view = viewOf(this.#data);

  constructor(fields: readonly string[], arena: Arena) {
    this.#fields = fields;
    this.#arena = arena;
  }

  /** The shape of a record that the parser read: the next ones are expected to have it too. */
  learn(data: Buffer, start: number, end: number, record: object): void {
    if (++this.#misses > MOST_MISSES && this.#misses % MOST_MISSES !== 0) return;
    const shape = shapeOf(data, start, end, record);
    this.#shape = null;
    if (shape === null) return;
    const keys = shape.names.map((name) => Buffer.from(`${JSON.stringify(name)}:`));
    const extra = shape.gaps.some((gap, k) => gap.length !== 1 + keys[k]!.length);
    const wanted = Int32Array.from(shape.names, (name) => this.#fields.indexOf(name));
    this.#shape = { ...shape, keys, compact: !extra && shape.tail.length === 1, wanted };
    this.#values = new Int32Array(keys.length * 3);
  }

  /** The line as a record, or null for one that the parser has to read. */
  take(data: Buffer, start: number, end: number): RawRecord | null {
    const shape = this.#shape;
    if (shape === null) return null;
    if (data !== this.#data) {
      this.#data = data;
      this.#view = viewOf(data);
    }
    const stop = data[end - 1] === CR ? end - 1 : end;
    const { gaps, tail, compact } = shape;
    const values = this.#values;
    let unusual = !compact;
    let at = start;
    for (let k = 0; k < gaps.length; k++) {
      const gap = gaps[k]!;
      if (!standsAt(data, at, gap)) return null;
      const value = at + gap.length;
      at = this.#skipValue(data, value, stop);
      if (at === -1) return null;
      values[k * 3] = value;
      values[k * 3 + 1] = at;
      values[k * 3 + 2] = this.#usual ? this.#kind : -this.#kind;
      unusual ||= !this.#usual;
    }
    if (at + tail.length !== stop || !standsAt(data, at, tail)) return null;
    const record = unusual ? this.#rewrite(data, shape) : this.#asItIs(data, start, stop, shape);
    if (record !== null) this.#misses = 0;
    return record;
  }

  #asItIs(data: Buffer, start: number, end: number, { keys, wanted }: Shape): RawRecord {
    const arena = this.#arena;
    const places = arena.takeSpans(this.#fields.length * 3);
    const values = this.#values;
    for (let k = 0; k < keys.length; k++) {
      if (wanted[k] === -1) continue;
      const place = places + wanted[k]! * 3;
      note(arena.spans, place, values[k * 3]!, values[k * 3 + 1]!, values[k * 3 + 2]!);
    }
    return new RawRecord(data, start, end, arena.spans, places);
  }

  /** Puts the values in another form into the usual one; null when one of them is not JSON. */
  #rewrite(data: Buffer, { keys, wanted }: Shape): RawRecord | null {
    const arena = this.#arena;
    const values = this.#values;
    const texts = this.#texts;
    let size = 2;
    for (let k = 0; k < keys.length; k++) {
      const [value, after] = [values[k * 3]!, values[k * 3 + 1]!];
      // Strings only become shorter, and are rewritten where they go.
      const other = values[k * 3 + 2]! < 0 && data[value] !== QUOTE;
      const text = other ? rewritten(data, value, after) : null;
      if (other && text === null) return null;
      texts[k] = text;
      size += 1 + keys[k]!.length + (text?.length ?? after - value);
    }
    arena.reserve(size);
    const out = arena.bytes;
    const start = arena.used;
    const places = arena.takeSpans(this.#fields.length * 3);
    let to = start;
    for (let k = 0; k < keys.length; k++) {
      const [value, after] = [values[k * 3]!, values[k * 3 + 1]!];
      let kind = values[k * 3 + 2]!;
      out[to++] = k === 0 ? OPEN_BRACE : COMMA;
      to = copyBytes(keys[k]!, 0, keys[k]!.length, out, to);
      const first = to;
      const text = texts[k]!;
      if (text !== null) {
        to = copyBytes(text, 0, text.length, out, to);
      } else if (kind < 0) {
        out[to++] = QUOTE;
        to = rewriteInto(data, value + 1, after - 1, out, to);
        if (to === -1) return null;
        out[to++] = QUOTE;
        kind = out.subarray(first, to).includes(BACKSLASH) ? ESCAPED : TEXT;
      } else {
        to = copyBytes(data, value, after, out, to);
      }
      if (wanted[k] !== -1) note(arena.spans, places + wanted[k]! * 3, first, to, Math.abs(kind));
    }
    out[to++] = CLOSE_BRACE;
    arena.used = to;
    return new RawRecord(out, start, to, arena.spans, places);
  }

  /** Goes behind the value; -1 when it is not whole or not JSON. Says its kind and form. */
  #skipValue(data: Buffer, start: number, end: number): number {
    this.#usual = true;
    const byte = data[start];
    if (byte === QUOTE) return this.#skipString(data, start, end);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return this.#skipNested(data, start, end);
    for (const { text, kind } of WORDS) {
      if (!standsAt(data, start, text)) continue;
      this.#kind = kind;
      return start + text.length;
    }
    return this.#skipNumber(data, start, end);
  }

  #skipString(data: Buffer, start: number, end: number): number {
    this.#kind = TEXT;
    const view = this.#view;
    let at = start + 1;
    for (;;) {
      if (at + 4 <= end) {
        const stops = stopsIn(view.getInt32(at, true));
        if (stops === 0) {
          at += 4;
          continue;
        }
        at += firstOf(stops);
      } else {
        while (at < end && ESCAPES[data[at]!] === 0) at++;
        if (at >= end) return -1;
      }
      const byte = data[at]!;
      if (byte === QUOTE) return at + 1;
      if (byte !== BACKSLASH) return -1;
      this.#kind = ESCAPED;
      // The long form and `\/` are written otherwise, or have to be looked at.
      const letter = data[at + 1]!;
      if (letter === U || USUAL_LETTERS[letter] === 0) this.#usual = false;
      at += 2;
    }
  }

  #skipNumber(data: Buffer, start: number, end: number): number {
    this.#kind = SCALAR;
    let at = start;
    let point = -1;
    for (; at < end; at++) {
      if (NUMBER[data[at]!] === 1) continue;
      if (data[at] !== POINT || point !== -1) break;
      point = at;
    }
    const whole = (point === -1 ? at : point) - start;
    const leading = data[start] === ZERO;
    if (whole > 0 && at - start <= SAFE_DIGITS && NUMBER[data[at]!] === 0) {
      if (point === -1 && (whole === 1 || !leading)) return at;
      // A decimal of few digits is written as it is, unless it ends in a zero or is very small.
      const plain = leading ? whole === 1 && data[point + 1] !== ZERO : true;
      if (point !== -1 && point + 1 < at && plain && data[at - 1] !== ZERO) return at;
    }
    at = start;
    while (at < end && NUMBER[data[at]!] !== 0) at++;
    if (at === start) return -1;
    const text = data.toString('latin1', start, at);
    this.#usual = String(Number(text)) === text;
    return at;
  }

  #skipNested(data: Buffer, start: number, end: number): number {
    let depth = 0;
    let deepest = 0;
    for (let at = start; at < end; at++) {
      const byte = data[at];
      if (byte === QUOTE) {
        const after = this.#skipString(data, at, end);
        if (after === -1) return -1;
        at = after - 1;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        deepest = Math.max(deepest, ++depth);
      } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) {
        this.#kind = NESTED;
        // Its keys may come twice or in another order, so its form is always looked at.
        this.#usual = false;
        return deepest < MAX_DEPTH / 2 ? at + 1 : -1;
      }
    }
    return -1;
  }
}

/** Notes where a field lies, a string without its quotes. */
function note(spans: Int32Array, at: number, start: number, end: number, kind: number): void {
  const quotes = kind === TEXT || kind === ESCAPED ? 1 : 0;
  spans[at] = start + quotes;
  spans[at + 1] = end - quotes;
  spans[at + 2] = kind;
}

/** 1 for a digit, 2 for what else a number can hold. */
const NUMBER = new Uint8Array(256);
for (const byte of Buffer.from('0123456789')) NUMBER[byte] = 1;
for (const byte of Buffer.from('+-.eE')) NUMBER[byte] = 2;

/** The value as JSON.stringify writes it; null when it is not JSON. */
function rewritten(data: Buffer, start: number, end: number): Buffer | null {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(data.toString('utf8', start, end))));
  } catch {
    return null;
  }
}
