import { jsonParser } from 'stream-json/core/parser.js';
import { MillraceError } from '../core/errors.ts';
import type { SourceItem } from '../core/record.ts';
import { type JsonArrayOptions, JsonArrayParser } from './json-array.ts';
import { JsonElements, type JsonToken } from './json-elements.ts';
import { RecordParser } from './parser.ts';
import { Utf8Check } from './utf8.ts';

const OPEN_BRACKET = 0x5b;

/** The tokenizer of stream-json, synchronous: tokens of a text, or nothing. */
type Tokenizer = (text: string | symbol) => { readonly values: readonly JsonToken[] } | symbol;
/** What it takes for the end. */
const END = Symbol.for('object-stream.none');

export interface JsonPathOptions extends JsonArrayOptions {
  /** Dotted path of the array whose elements are the records. */
  readonly path: string;
}

/**
 * The elements of an array somewhere in a document. What is around the array goes through the tokens of
 * stream-json, which find it and say whether the document is valid; the array itself is read as one
 * that is a document of its own.
 */
export class JsonPathParser extends RecordParser<unknown> {
  /** Elements are not jumped to. */
  readonly boundary = null;

  readonly #source: string;
  readonly #utf8: Utf8Check;
  readonly #around: JsonElements;
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder();
  readonly #array: JsonArrayParser;
  #row = 0;

  constructor(options: JsonPathOptions) {
    super();
    const { source, path, maxRecordBytes } = options;
    this.#source = source;
    this.#utf8 = new Utf8Check(source);
    this.#around = new JsonElements(source, path, maxRecordBytes);
    this.#tokenizer = jsonParser({ packValues: false }) as unknown as Tokenizer;
    this.#array = new JsonArrayParser({ ...options, within: true });
  }

  override close(): void {
    this.#array.close();
  }

  *read(chunk: Uint8Array | null): Generator<SourceItem<unknown>> {
    if (chunk === null) {
      this.#utf8.flush();
      if (this.#around.state === 'inside') throw this.#invalid();
      this.#accept(this.#decoder.decode());
      this.#accept(END);
      this.#around.finish();
      return;
    }
    this.#utf8.push(chunk);
    let rest = chunk;
    if (this.#around.state === 'seeking') {
      rest = this.#seek(chunk);
      if (this.#around.state === 'seeking') return;
      yield* this.#array.read(Uint8Array.of(OPEN_BRACKET));
    }
    if (this.#around.state === 'inside') {
      for (const item of this.#array.read(rest)) {
        this.#row = item.position.row;
        yield item;
      }
      const { behind } = this.#array;
      if (behind === null) return;
      this.#accept(']');
      rest = behind;
    }
    this.#accept(this.#decoder.decode(rest, { stream: true }));
  }

  /** Looks for the array; what stands behind its bracket. */
  #seek(chunk: Uint8Array): Uint8Array {
    let from = 0;
    for (;;) {
      // Any bracket may be the one; a text that holds it is only taken in two pieces.
      const at = chunk.indexOf(OPEN_BRACKET, from);
      const end = at === -1 ? chunk.length : at + 1;
      this.#accept(this.#decoder.decode(chunk.subarray(from, end), { stream: true }));
      if (at === -1 || this.#around.state === 'inside') return chunk.subarray(end);
      from = end;
    }
  }

  #accept(text: string | symbol): void {
    if (text === '') return;
    let tokens: ReturnType<Tokenizer>;
    try {
      tokens = this.#tokenizer(text);
    } catch {
      // The tokenizer's own message is dropped, for it may quote the text.
      throw this.#invalid();
    }
    if (typeof tokens === 'symbol') return;
    for (const token of tokens.values) this.#around.accept(token);
  }

  #invalid(): MillraceError {
    return new MillraceError(
      'bad_json',
      `${this.#source}: the document is not valid JSON behind row ${this.#row}; check that it is whole`,
    );
  }
}
