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
import { JSON_WORD } from '../validate-body.ts';
import type { Pieces } from './pieces.ts';
import { PlacedPieces } from './placed-pieces.ts';
import { RepeatedText } from './repeated-text.ts';
import { SplicedRequest } from './spliced-request.ts';
import type { SpliceTemplate } from './template.ts';
import { NAMED_IMAGE } from './text-places.ts';

/** Longer texts are left to the plain way. */
const MOST_TEXT_BYTES = 512 * 1024; // 512 KiB
const WORD_BYTES = 4;
/** The last digit: true and false begin behind it. */
const NINE = 0x39;

/** What a splicer asks of a counter. */
export type SpliceCounter = Pick<ModelTokenCounter, 'countRequest' | 'countText' | 'countUtf8'> & {
  /** Every count is 0, so that no text has to be put together for it. */
  readonly idle?: boolean;
};

/** A text that is counted: the number of its only field when it is nothing else, or -1. */
interface CountedText {
  readonly field: number;
  /** To put it together; null when there is no room for it. */
  readonly placed: PlacedPieces | null;
  readonly repeated: RepeatedText;
}

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
  readonly #texts: readonly CountedText[];
  /** Where texts are put together; null when there is no room. */
  readonly #text: Area | null;

  constructor(template: SpliceTemplate, counter: SpliceCounter) {
    this.#template = template;
    this.#counter = counter;
    // Texts are counted one by one, so whatever stands in them, the rest stays the same.
    const { endpoint, sample, sampleTexts, texts, wantsText, wantsWord } = template;
    const looked = counter.idle === true && !wantsText && !wantsWord ? [] : texts;
    this.#texts = looked.map((text) => this.#place(text));
    this.#text = looked.length === 0 ? null : this.#memory.take(MOST_TEXT_BYTES);
    const marks = sampleTexts.reduce((sum, text) => sum + counter.countText(text), 0);
    this.#fixedTokens = counter.countRequest(endpoint, sample) - marks;
  }

  /** The request, or null when the record has to be built into one. */
  make(raw: RawRecord, position: Position): SplicedRequest | null {
    const template = this.#template;
    const { spans, at } = raw;
    for (let i = 0; i < template.fields; i++) {
      const kind = spans[at + i * 3 + 2]!;
      if (template.numbers.has(i)) {
        if (kind !== SCALAR || raw.bytes[spans[at + i * 3]!]! > NINE) return null;
        continue;
      }
      if (kind === TEXT || kind === ESCAPED) continue;
      if (kind === ABSENT || kind === NESTED || !template.scalars || i === template.id) return null;
      // Null is written as nothing.
      if (kind === NULL) spans[at + i * 3 + 1] = spans[at + i * 3]!;
      else if (kind !== SCALAR) return null;
    }
    const customId = template.id === -1 ? null : this.#idOf(raw);
    if (customId === '') return null;
    if (template.urls.some((field) => !isUrl(raw, field))) return null;
    if (template.wantsWord && !this.#hasWord(raw)) return null;
    let tokens = this.#fixedTokens;
    for (const text of this.#texts) {
      const count = this.#count(text, raw);
      if (count === -1) return null;
      tokens += count;
    }
    return new SplicedRequest(raw, position, template, customId, tokens);
  }

  /** Tokens of a text, or -1 when the plain way has to look at it. */
  #count({ field, placed, repeated }: CountedText, raw: RawRecord): number {
    if (field === -1) return this.#countPlaced(placed, raw);
    const { bytes, spans, at } = raw;
    const [start, end] = [spans[at + field * 3]!, spans[at + field * 3 + 1]!];
    if (start === end && this.#template.wantsText) return -1;
    const known = repeated.tokensOf(bytes, start, end);
    if (known !== -1) return known;
    const tokens =
      spans[at + field * 3 + 2] === TEXT
        ? this.#counter.countUtf8(bytes, start, end)
        : this.#countPlaced(placed, raw);
    if (tokens !== -1) repeated.counted(bytes, start, end, tokens);
    return tokens;
  }

  #countPlaced(placed: PlacedPieces | null, { at }: RawRecord): number {
    const { bytes, kernel } = this.#memory;
    const room = this.#text;
    if (placed === null || room === null) return -1;
    // As the counter sees it.
    const end = kernel.joinText(placed.address, at * WORD_BYTES, room.start, room.end);
    if (end === -1 || (end === room.start && this.#template.wantsText)) return -1;
    return this.#counter.countUtf8(bytes, room.start, end);
  }

  /** Whether one of the texts asks for JSON. */
  #hasWord({ bytes, spans, at }: RawRecord): boolean {
    return this.#template.texts.some(({ fields: [field] }) => {
      const place = at + field! * 3;
      return JSON_WORD.test(bytes.toString('latin1', spans[place]!, spans[place + 1]!));
    });
  }

  #place(text: Pieces): CountedText {
    const lone = text.fields.length === 1 && text.literalBytes === 0;
    const placed = PlacedPieces.place(this.#memory, text);
    return { field: lone ? text.fields[0]! : -1, placed, repeated: new RepeatedText() };
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
    for (const { placed } of this.#texts) placed?.free();
    this.#memory.give(this.#text);
  }
}

function isUrl({ bytes, spans, at }: RawRecord, field: number): boolean {
  const place = at + field * 3;
  return (
    (spans[place + 2] === TEXT || spans[place + 2] === ESCAPED) &&
    NAMED_IMAGE.test(bytes.toString('latin1', spans[place]!, spans[place + 1]!))
  );
}
