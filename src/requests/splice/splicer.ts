import type { Position } from '../../core/record.ts';
import { copyBytes, unescapeInto } from '../../sources/raw/json-text.ts';
import {
  ABSENT,
  ESCAPED,
  NESTED,
  NULL,
  type RawRecord,
  SCALAR,
  TEXT,
} from '../../sources/raw/raw-record.ts';
import type { ModelTokenCounter } from '../../tokens/counter.ts';
import { MAX_CUSTOM_ID_LENGTH } from '../custom-id.ts';
import { SplicedRequest } from './spliced-request.ts';
import type { Pieces, SpliceTemplate } from './template.ts';

/** What a splicer asks of a counter. */
export type SpliceCounter = Pick<ModelTokenCounter, 'countRequest' | 'countText' | 'countUtf8'> & {
  /** Every count is 0, so that no text has to be put together for it. */
  readonly idle?: boolean;
};

/**
 * Makes counted requests of raw records without building them. What it makes is, byte for byte and
 * token for token, what the plain way makes; where that is not sure, it makes nothing.
 */
export class Splicer {
  readonly #template: SpliceTemplate;
  readonly #counter: SpliceCounter;
  /** Tokens of everything but the texts with fields in them. */
  readonly #fixedTokens: number;
  /** The texts that have to be put together. */
  readonly #texts: readonly Pieces[];
  #text = Buffer.allocUnsafeSlow(64 * 1024);

  constructor(template: SpliceTemplate, counter: SpliceCounter) {
    this.#template = template;
    this.#counter = counter;
    // Texts are counted one by one, so whatever stands in them, the rest stays the same.
    const { endpoint, sample, sampleTexts } = template;
    this.#texts = counter.idle === true && !template.wantsText ? [] : template.texts;
    const texts = sampleTexts.reduce((sum, text) => sum + counter.countText(text), 0);
    this.#fixedTokens = counter.countRequest(endpoint, sample) - texts;
  }

  /** The request, or null when the record has to be built into one. */
  make(raw: RawRecord, position: Position): SplicedRequest | null {
    const template = this.#template;
    const { spans, at } = raw;
    for (let i = 0; i < template.fields.length; i++) {
      const kind = spans[at + i * 3 + 2]!;
      if (kind === TEXT || kind === ESCAPED) continue;
      if (kind === ABSENT || kind === NESTED || !template.scalars || i === template.id) return null;
      // Null is written as nothing.
      if (kind === NULL) spans[at + i * 3 + 1] = spans[at + i * 3]!;
      else if (kind !== SCALAR) return null;
    }
    const customId = template.id === -1 ? null : this.#idOf(raw);
    if (customId === '') return null;
    let tokens = this.#fixedTokens;
    for (const text of this.#texts) {
      const bytes = this.#write(raw, text);
      if (bytes === -1 || (bytes === 0 && template.wantsText)) return null;
      tokens += this.#counter.countUtf8(this.#text, 0, bytes);
    }
    return new SplicedRequest(raw, position, template, customId, tokens);
  }

  /** The id, or an empty text for one that the plain way has to look at. */
  #idOf({ bytes, spans, at }: RawRecord): string {
    const place = at + this.#template.id * 3;
    const [start, end] = [spans[place]!, spans[place + 1]!];
    if (spans[place + 2] !== TEXT || end - start > MAX_CUSTOM_ID_LENGTH) return '';
    return bytes.toString('utf8', start, end);
  }

  /** Puts a text together as the counter sees it; its length in bytes, or -1. */
  #write({ bytes, spans, at }: RawRecord, { literals, fields }: Pieces): number {
    let size = literals[0]!.length;
    for (let i = 0; i < fields.length; i++) {
      const place = at + fields[i]! * 3;
      size += spans[place + 1]! - spans[place]! + literals[i + 1]!.length;
    }
    if (size > this.#text.length) this.#text = Buffer.allocUnsafeSlow(size * 2);
    const text = this.#text;
    let to = copyBytes(literals[0]!, 0, literals[0]!.length, text, 0);
    for (let i = 0; i < fields.length; i++) {
      const place = at + fields[i]! * 3;
      const [start, end] = [spans[place]!, spans[place + 1]!];
      to =
        spans[place + 2] === ESCAPED
          ? unescapeInto(bytes, start, end, text, to)
          : copyBytes(bytes, start, end, text, to);
      if (to === -1) return -1;
      to = copyBytes(literals[i + 1]!, 0, literals[i + 1]!.length, text, to);
    }
    return to;
  }
}
