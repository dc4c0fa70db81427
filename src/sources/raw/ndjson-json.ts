import { shapeOf } from '../json-shape.ts';
import { type Desk, MOST_RECORD_BYTES, SLACK_BYTES } from './desk.ts';
import type { RawRecord } from './raw-record.ts';

const CR = 0x0d;
const NOT_TAKEN = -1;
const AS_IT_IS = 0;
const ODD_VALUES = 1;

/** After so many lines that were not taken, new keys are learned only now and then. */
const MOST_MISSES = 100;

// The tables of the kernel's `take`, in words: of a shape four, then five of each key; of the values
// start, end and kind, which is negative for an unusual form.
const SHAPE_WORDS = 4;
const KEY_WORDS = 5;
const VALUE_WORDS = 3;
const WORD_BYTES = 4;
const TEXT = 1;
const ESCAPED = 2;

/**
 * Takes lines of NDJSON whose keys are known, in their order, with the blanks of the last line that
 * was parsed. A line is taken as it is where `JSON.stringify(JSON.parse(line))` would give the same
 * bytes; blanks, and values in another form, are put into that form. A line that is anything else is
 * left to the parser.
 */
export class NdjsonJson {
  readonly #desk: Desk;
  readonly #fields: readonly string[];
  /** Keys of the shape; 0 when there is none. */
  #keys = 0;
  /** Address of the table of values, behind the one of the shape. */
  #values = 0;
  /** Where values that are written anew can be put. */
  #scratch = 0;
  /** Lines since the last one that was taken. */
  #misses = 0;

  constructor(fields: readonly string[], desk: Desk) {
    this.#fields = fields;
    this.#desk = desk;
  }

  get input(): Buffer {
    return this.#desk.input;
  }

  /** The shape of a record that the parser read: the next ones are expected to have it too. */
  learn(data: Buffer, start: number, end: number, record: object): void {
    if (++this.#misses > MOST_MISSES && this.#misses % MOST_MISSES !== 0) return;
    this.#keys = 0;
    const shape = shapeOf(data, start, end, record);
    if (shape === null) return;
    const { names, gaps, tail } = shape;
    const keys = names.map((name) => Buffer.from(`${JSON.stringify(name)}:`));
    const { memory, tables } = this.#desk;
    const words = SHAPE_WORDS + keys.length * (KEY_WORDS + VALUE_WORDS);
    let at = tables.start + words * WORD_BYTES;
    const texts = [tail, ...gaps, ...keys];
    const size = texts.reduce((sum, text) => sum + text.length, SLACK_BYTES);
    if (size > tables.end - at) return;
    const put = (word: number, text: Buffer): void => {
      memory.words[word] = at;
      memory.words[word + 1] = text.length;
      text.copy(memory.bytes, at);
      at += text.length;
    };
    const extra = gaps.some((gap, k) => !gap.subarray(1).equals(keys[k]!));
    const first = tables.start / WORD_BYTES;
    memory.words[first] = keys.length;
    put(first + 1, tail);
    memory.words[first + 3] = !extra && tail.length === 1 ? 1 : 0;
    for (const [k, key] of keys.entries()) {
      const word = first + SHAPE_WORDS + k * KEY_WORDS;
      put(word, gaps[k]!);
      put(word + 2, key);
      memory.words[word + 4] = this.#fields.indexOf(names[k]!);
    }
    this.#keys = keys.length;
    this.#values = tables.start + (SHAPE_WORDS + keys.length * KEY_WORDS) * WORD_BYTES;
    this.#scratch = at + SLACK_BYTES;
  }

  /** The line as a record, or null for one that the parser has to read. */
  take(data: Buffer, start: number, end: number): RawRecord | null {
    if (this.#keys === 0) return null;
    const desk = this.#desk;
    const base = desk.addressOf(data);
    if (base === null) return null;
    const at = base + start;
    const stop = base + (data[end - 1] === CR ? end - 1 : end);
    const { tables, memory } = desk;
    const spans = desk.nextSpans();
    const { out } = desk;
    const limit = out + MOST_RECORD_BYTES;
    const { kernel } = memory;
    let took = kernel.take(at, stop, tables.start, this.#values, spans, out, limit);
    if (took === ODD_VALUES) {
      took = this.#putRight()
        ? kernel.assemble(tables.start, this.#values, spans, out, limit)
        : NOT_TAKEN;
    }
    if (took === NOT_TAKEN) return null;
    this.#misses = 0;
    return took === AS_IT_IS ? desk.record(at, stop, spans) : desk.record(out, took, spans);
  }

  /** Writes values that are no strings, in another form, anew; false when one of them is not JSON. */
  #putRight(): boolean {
    const { memory, tables } = this.#desk;
    const { bytes, words } = memory;
    let to = this.#scratch;
    const first = this.#values / WORD_BYTES;
    for (let k = 0; k < this.#keys; k++) {
      const word = first + k * VALUE_WORDS;
      const kind = -words[word + 2]!;
      if (kind <= 0 || kind === TEXT || kind === ESCAPED) continue;
      const text = rewritten(bytes, words[word]!, words[word + 1]!);
      if (text === null || text.length > tables.end - SLACK_BYTES - to) return false;
      words[word] = to;
      to += text.copy(bytes, to);
      words[word + 1] = to;
      words[word + 2] = kind;
    }
    return true;
  }
}

/** The value as JSON.stringify writes it; null when it is not JSON. */
function rewritten(data: Buffer, start: number, end: number): Buffer | null {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(data.toString('utf8', start, end))));
  } catch {
    return null;
  }
}
