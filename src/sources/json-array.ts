import { MillraceError } from '../core/errors.ts';
import { type Position, RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { Carry } from '../streams/carry.ts';
import { bomLength } from './csv-dialect.ts';
import { JsonObjects } from './json-objects.ts';
import { kindOf, type RawLines } from './ndjson.ts';
import { MAX_DEPTH, RecordParser, tooDeep, tooLarge, where } from './parser.ts';
import type { ReplayedInput } from './replay.ts';
import { Utf8Check } from './utf8.ts';

const BOM = [0xef, 0xbb, 0xbf];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** Below this many bytes a loop beats a call of `indexOf`. */
const SHORT_BYTES = 24;

/** JSON's white space. */
const BLANK = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) BLANK[byte] = 1;

/** What a scan stops at: 1 a bracket, 2 a quote, 3 the end of a scalar outside of strings. */
const STOPS = new Uint8Array(256);
for (const byte of [OPEN_BRACE, OPEN_BRACKET, CLOSE_BRACE, CLOSE_BRACKET]) STOPS[byte] = 1;
STOPS[QUOTE] = 2;

export interface JsonArrayOptions {
  readonly source: string;
  readonly maxRecordBytes: number;
  /** Takes elements as they are, before they are parsed. */
  readonly raw?: RawLines | undefined;
  /** The array is a part of a document: reading stops behind it. Default false. */
  readonly within?: boolean;
}

/**
 * The elements of a document that is one array, cut out by their brackets and strings and handed to
 * JSON.parse one by one. The same items and errors as by the tokens of stream-json; an element over
 * the limit, or nested too deep, is passed over without being checked.
 */
export class JsonArrayParser extends RecordParser<unknown> {
  /** Elements are not jumped to. */
  readonly boundary = null;

  readonly #source: string;
  readonly #maxRecordBytes: number;
  readonly #utf8: Utf8Check;
  readonly #carry: Carry;
  /** What reads objects, unless elements are taken as they are. */
  readonly #objects: JsonObjects | null;
  readonly #raw: RawLines | null;
  #row = 0;
  /** What may come next. `element` also allows the array's end where `#first`. */
  #next: 'array' | 'element' | 'comma' | 'end' = 'array';
  #first = true;
  /** Bytes of the byte order mark that came. */
  #bom = 0;
  /** Of the element under way: how far it is looked through, from its start. */
  #seen = 0;
  #open = false;
  #scalar = false;
  #depth = 0;
  #deepest = 0;
  #inString = false;
  #skipping = false;
  readonly #within: boolean;
  /** With `within`, what stands behind the array in the chunk that ended it; null before. */
  behind: Uint8Array | null = null;

  constructor({ source, maxRecordBytes, raw, within }: JsonArrayOptions) {
    super();
    this.#within = within ?? false;
    this.#raw = raw ?? null;
    this.#objects = this.#raw === null ? new JsonObjects() : null;
    this.#carry = new Carry((this.#raw ?? this.#objects)?.input);
    this.#source = source;
    this.#maxRecordBytes = maxRecordBytes;
    this.#utf8 = new Utf8Check(source);
  }

  /** Whether a document that begins so is an array; null when it does not say yet. */
  static takes(head: Uint8Array): boolean | null {
    if (head[0] === 0xef && head.length < 3) return null;
    let at = bomLength(head);
    while (BLANK[head[at]!] === 1) at++;
    return at < head.length ? head[at] === OPEN_BRACKET : null;
  }

  override close(): void {
    this.#objects?.close();
  }

  *read(chunk: Uint8Array | null): Generator<SourceItem<unknown>> {
    if (chunk === null) {
      this.#utf8.flush();
      if (this.#next !== 'end') throw this.#invalid();
      return;
    }
    this.#utf8.push(chunk);
    // An element that was not whole is tried anew, unless it came in small chunks and would be often.
    if (this.#open && !this.#skipping && this.#carry.length <= chunk.length) this.#open = false;
    const objects = this.#objects;
    const data = this.#carry.join(chunk);
    let at = 0;
    while (at < data.length) {
      if (this.#open) {
        const end = this.#elementEnd(data, at);
        if (end === -1) break;
        const item = this.#element(data, at, end);
        this.#open = false;
        this.#next = 'comma';
        at = end;
        yield item;
        continue;
      }
      const byte = data[at]!;
      if (BLANK[byte] === 1) {
        at++;
      } else if (this.#next === 'element' && (byte !== CLOSE_BRACKET || !this.#first)) {
        const known = objects?.read(data, at, data.length) ?? null;
        if (objects !== null && known !== null && objects.end - at <= this.#maxRecordBytes) {
          at = objects.end;
          this.#next = 'comma';
          yield new SourceRecord(known, this.#position());
        } else {
          this.#begin(byte);
        }
      } else {
        at += this.#between(byte);
        if (!this.#within || this.#next !== 'end') continue;
        this.behind = Buffer.from(data.subarray(at));
        return;
      }
    }
    this.#keep(data, Math.min(at, data.length));
  }

  /** The array's own brackets and commas; gives their length. */
  #between(byte: number): number {
    if (this.#next === 'array' && byte === OPEN_BRACKET) {
      this.#next = 'element';
    } else if (this.#next === 'array' && this.#bom < BOM.length && byte === BOM[this.#bom]) {
      this.#bom++;
    } else if (this.#next !== 'array' && this.#next !== 'end' && byte === CLOSE_BRACKET) {
      this.#next = 'end';
    } else if (this.#next === 'comma' && byte === COMMA) {
      this.#next = 'element';
      this.#first = false;
    } else {
      throw this.#invalid();
    }
    return 1;
  }

  #begin(byte: number): void {
    this.#open = true;
    this.#scalar = STOPS[byte] === 0;
    this.#seen = 0;
    this.#depth = 0;
    this.#deepest = 0;
    this.#inString = false;
  }

  /** Goes on through the element that starts at `start`; its end, or -1 when it is not there yet. */
  #elementEnd(data: Buffer, start: number): number {
    let at = start + this.#seen;
    const end = data.length;
    while (at < end) {
      if (this.#inString) {
        const close = stringEnd(data, at, start + this.#seen);
        if (close === -1) {
          at = end;
          break;
        }
        this.#inString = false;
        at = close;
        this.#seen = at - start;
        if (this.#depth === 0) return at;
        continue;
      }
      const byte = data[at]!;
      if (this.#scalar) {
        if (byte === COMMA || byte === CLOSE_BRACKET || BLANK[byte] === 1) return at;
        at++;
        continue;
      }
      const stop = STOPS[byte]!;
      at++;
      if (stop === 0) continue;
      if (stop === 2) {
        this.#inString = true;
        this.#seen = at - start;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#depth++;
        if (this.#depth > this.#deepest) this.#deepest = this.#depth;
      } else if (--this.#depth === 0) {
        return at;
      }
    }
    // A string is looked through again from its start, so that escapes at the edge are seen whole.
    if (!this.#inString) this.#seen = at - start;
    return -1;
  }

  #element(data: Buffer, start: number, end: number): SourceItem<unknown> {
    const skipped = this.#skipping || end - start > this.#maxRecordBytes;
    this.#skipping = false;
    if (skipped) return tooLarge(this.#position(), this.#maxRecordBytes);
    if (this.#deepest > MAX_DEPTH) return tooDeep(this.#position());
    const raw = this.#raw?.take(data, start, end) ?? null;
    if (raw !== null) return new SourceRecord(raw, this.#position());
    let value: unknown;
    try {
      value = JSON.parse(data.toString('utf8', start, end));
    } catch {
      // The parser's own message is dropped, for it quotes the text.
      throw this.#invalid();
    }
    const position = this.#position();
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      (this.#raw ?? this.#objects)?.learn(data, start, end, value);
      return new SourceRecord(value, position);
    }
    return new RejectedRecord(value, position, {
      code: 'not_an_object',
      message: `${where(position)}: the element is ${kindOf(value)}; each element must be an object`,
    });
  }

  /** Of the next element. */
  #position(): Position {
    return { source: this.#source, row: ++this.#row, byte: -1 };
  }

  /** Keeps the element that is not whole, or of one over the limit only where it stands. */
  #keep(data: Buffer, at: number): void {
    if (!this.#open) {
      this.#carry.keep(data, at);
      return;
    }
    if (data.length - at > this.#maxRecordBytes) this.#skipping = true;
    if (!this.#skipping) {
      this.#carry.keep(data, at);
      return;
    }
    // A backslash may belong to the next chunk's first byte.
    const rest = this.#inString ? trailingSlashes(data) : 0;
    this.#carry.keep(data, data.length - rest);
    this.#seen = 0;
  }

  #invalid(): MillraceError {
    return new MillraceError(
      'bad_json',
      `${this.#source}: the document is not valid JSON behind row ${this.#row}; check that it is whole`,
    );
  }
}

/** Whether the document that the input begins with is an array; what was looked at stays in it. */
export async function beginsArray(input: ReplayedInput): Promise<boolean> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of input.look()) {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const takes = JsonArrayParser.takes(head);
    if (takes !== null) return takes;
  }
  return false;
}

/** Behind the quote that ends a string, of whose inside `data[from]` is part; -1 when it is not there. */
function stringEnd(data: Buffer, from: number, inside: number): number {
  let at = from;
  for (;;) {
    const near = Math.min(at + SHORT_BYTES, data.length);
    while (at < near && data[at] !== QUOTE) at++;
    if (at === near) {
      at = at < data.length ? data.indexOf(QUOTE, at) : -1;
      if (at === -1) return -1;
    }
    let slashes = 0;
    while (at - 1 - slashes >= inside && data[at - 1 - slashes] === BACKSLASH) slashes++;
    at++;
    if (slashes % 2 === 0) return at;
  }
}

function trailingSlashes(data: Buffer): number {
  let slashes = 0;
  while (slashes < data.length && data[data.length - 1 - slashes] === BACKSLASH) slashes++;
  return slashes % 2;
}
