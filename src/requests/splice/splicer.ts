import type { Position } from '../../core/record.ts';
import { type Area, rawMemory } from '../../sources/raw/memory.ts';
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
import { PlacedPieces } from './pieces.ts';
import { SplicedRequest } from './spliced-request.ts';
import type { SpliceTemplate } from './template.ts';

/** Longer texts are left to the plain way. */
const MOST_TEXT_BYTES = 512 * 1024; // 512 KiB

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
  readonly #memory = rawMemory();
  /** The texts that have to be put together; null when there is no room for them. */
  readonly #texts: readonly (PlacedPieces | null)[];
  readonly #text: Area | null;

  constructor(template: SpliceTemplate, counter: SpliceCounter) {
    this.#template = template;
    this.#counter = counter;
    // Texts are counted one by one, so whatever stands in them, the rest stays the same.
    const { endpoint, sample, sampleTexts } = template;
    const looked = counter.idle === true && !template.wantsText ? [] : template.texts;
    this.#texts = looked.map((text) => PlacedPieces.place(this.#memory, text));
    this.#text = looked.length === 0 ? null : this.#memory.take(MOST_TEXT_BYTES);
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
    const { bytes, kernel } = this.#memory;
    for (const text of this.#texts) {
      const room = this.#text;
      if (text === null || room === null) return null;
      // As the counter sees it.
      const end = kernel.joinText(text.address, at * 4, room.start, room.end);
      if (end === -1 || (end === room.start && template.wantsText)) return null;
      tokens += this.#counter.countUtf8(bytes, room.start, end);
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

  /** Gives its room back. */
  close(): void {
    for (const text of this.#texts) text?.free();
    this.#memory.give(this.#text);
  }
}
