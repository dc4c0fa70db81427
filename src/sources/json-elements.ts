import { MillraceError } from '../core/errors.ts';
import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { kindOf } from './ndjson.ts';
import { MAX_DEPTH, tooDeep, tooLarge, where } from './parser.ts';

/** Chunks of a key or scalar outside of the array that are kept to compare it with the path. */
const MAX_PATH_CHUNKS = 64;

/** A token of stream-json with unpacked values: strings and numbers come in chunks. */
export interface JsonToken {
  readonly name: string;
  readonly value?: unknown;
}

type Container = Record<string, unknown> | unknown[];

/**
 * Makes records of the elements of one array in a document that comes token by token. It holds one
 * element at a time, and of an element over the limit nothing.
 *
 * The way to the array: `#expected` is how many parts of the path are behind us when the next value
 * is the one that the path so far names, else -1.
 */
export class JsonElements {
  readonly #source: string;
  readonly #path: readonly string[];
  readonly #maxRecordBytes: number;
  #depth = 0;
  #expected = 0;
  /** Parts of the path that the objects around us have matched. */
  #matched = 0;
  #state: 'seeking' | 'inside' | 'done' = 'seeking';
  /** Depth of the elements. */
  #level = 0;
  #row = 0;

  #stack: Container[] = [];
  #keys: string[] = [];
  #text: string[] = [];
  #size = 0;
  #refused: 'record_too_large' | 'too_deep' | null = null;

  constructor(source: string, path: string, maxRecordBytes: number) {
    this.#source = source;
    this.#path = path === '' ? [] : path.split('.');
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** Whether the array is still looked for, is being read, or is behind. */
  get state(): 'seeking' | 'inside' | 'done' {
    return this.#state;
  }

  /** The record that the token ends, or null. */
  accept(token: JsonToken): SourceItem<unknown> | null {
    switch (token.name) {
      case 'startObject':
        return this.#open({});
      case 'startArray':
        return this.#open([]);
      case 'endObject':
      case 'endArray':
        return this.#close();
      case 'stringChunk':
      case 'numberChunk':
        this.#chunk(String(token.value));
        return null;
      case 'endKey':
        this.#key(this.#takeText());
        return null;
      case 'endString':
        return this.#scalar(this.#takeText());
      case 'endNumber':
        return this.#scalar(Number(this.#takeText()));
      case 'nullValue':
        return this.#scalar(null);
      case 'trueValue':
        return this.#scalar(true);
      case 'falseValue':
        return this.#scalar(false);
      default:
        return null;
    }
  }

  /** The end of the document. Throws when the array was not there. */
  finish(): void {
    if (this.#state === 'seeking' && (this.#depth > 0 || this.#expected !== 0)) {
      throw this.#noArray('is not there');
    }
  }

  #open(container: Container): SourceItem<unknown> | null {
    if (this.#state === 'inside') {
      if (this.#refused === null) {
        this.#stack.push(container);
        this.#grow(2);
      }
    } else if (this.#state === 'seeking' && this.#expected >= 0) {
      if (this.#expected < this.#path.length) {
        if (!Array.isArray(container)) this.#matched = this.#expected;
      } else if (Array.isArray(container)) {
        this.#state = 'inside';
        this.#level = this.#depth + 1;
      } else {
        throw this.#noArray('is an object');
      }
    }
    this.#expected = -1;
    this.#depth++;
    return null;
  }

  #close(): SourceItem<unknown> | null {
    this.#depth--;
    if (this.#state === 'inside') {
      if (this.#depth < this.#level) {
        this.#state = 'done';
        return null;
      }
      return this.#value(this.#stack.pop());
    }
    if (this.#state === 'seeking' && this.#depth === this.#matched && this.#matched > 0) {
      this.#matched--;
    }
    return null;
  }

  #scalar(value: unknown): SourceItem<unknown> | null {
    if (this.#state === 'inside') return this.#value(value);
    if (this.#state === 'seeking' && this.#expected === this.#path.length) {
      throw this.#noArray(`is ${kindOf(value)}`);
    }
    this.#expected = -1;
    return null;
  }

  #key(key: string): void {
    if (this.#state === 'inside') {
      if (this.#refused === null) this.#keys.push(key);
    } else if (this.#state === 'seeking') {
      const here = this.#depth === this.#matched + 1;
      this.#expected = here && key === this.#path[this.#matched] ? this.#matched + 1 : -1;
    }
  }

  /** A value inside the array is whole: it goes into its container, or is an element. */
  #value(value: unknown): SourceItem<unknown> | null {
    if (this.#refused === null) this.#grow(1);
    if (this.#depth === this.#level) return this.#element(value);
    const container = this.#stack.at(-1);
    if (container === undefined) return null;
    if (Array.isArray(container)) {
      container.push(value);
      return null;
    }
    const key = this.#keys.pop() ?? '';
    // A key may be __proto__, which an assignment would take for the prototype.
    if (key === '__proto__') {
      Object.defineProperty(container, key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    } else {
      container[key] = value;
    }
    return null;
  }

  #element(value: unknown): SourceItem<unknown> {
    const position = { source: this.#source, row: ++this.#row, byte: -1 };
    const refused = this.#refused;
    this.#size = 0;
    this.#refused = null;
    if (refused === 'record_too_large') return tooLarge(position, this.#maxRecordBytes);
    if (refused === 'too_deep') return tooDeep(position);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return new SourceRecord(value, position);
    }
    return new RejectedRecord(value, position, {
      code: 'not_an_object',
      message: `${where(position)}: the element is ${kindOf(value)}; each element must be an object`,
    });
  }

  #chunk(text: string): void {
    // Outside of the array only a key matters, and only one as short as a part of the path.
    if (this.#state !== 'inside') {
      if (this.#state === 'seeking' && this.#text.length < MAX_PATH_CHUNKS) this.#text.push(text);
      return;
    }
    if (this.#refused !== null) return;
    this.#text.push(text);
    this.#grow(text.length);
  }

  #takeText(): string {
    const text = this.#text.length === 1 ? this.#text[0]! : this.#text.join('');
    this.#text = [];
    return text;
  }

  #grow(size: number): void {
    this.#size += size;
    if (this.#size > this.#maxRecordBytes) this.#giveUp('record_too_large');
    else if (this.#stack.length > MAX_DEPTH) this.#giveUp('too_deep');
  }

  /** Lets go of the element under way; only its end is waited for. */
  #giveUp(reason: 'record_too_large' | 'too_deep'): void {
    this.#refused = reason;
    this.#stack = [];
    this.#keys = [];
    this.#text = [];
  }

  #noArray(what: string): MillraceError {
    const place = this.#path.length === 0 ? 'the document' : `"${this.#path.join('.')}"`;
    const next =
      this.#path.length === 0
        ? 'name the array in it with --json-path, or give --format ndjson if it has an object a line'
        : 'check --json-path';
    return new MillraceError(
      'no_json_array',
      `${this.#source}: ${place} ${what} and not an array; ${next}`,
    );
  }
}
