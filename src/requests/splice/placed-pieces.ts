import type { Area, RawMemory } from '../../sources/raw/memory.ts';
import type { Pieces } from './pieces.ts';

const WORD_BYTES = 4;
/** Of each piece: its address, its length, the field behind it or -1. */
const PIECE_WORDS = 3;
const SLACK_BYTES = 64;

/** Pieces of text in a memory, as its kernel puts fields between them. */
export class PlacedPieces {
  /** Bytes of the literals. */
  readonly bytes: number;
  readonly #memory: RawMemory;
  readonly #area: Area;

  private constructor(memory: RawMemory, area: Area, bytes: number) {
    this.bytes = bytes;
    this.#memory = memory;
    this.#area = area;
  }

  /** Null when the memory is full. */
  static place(memory: RawMemory, pieces: Pieces): PlacedPieces | null {
    const { literals, fields, literalBytes } = pieces;
    const table = literals.length * PIECE_WORDS * WORD_BYTES;
    const area = memory.take(table + literalBytes + SLACK_BYTES);
    if (area === null) return null;
    let word = area.start / WORD_BYTES;
    let at = area.start + table;
    for (const [i, literal] of literals.entries()) {
      memory.words[word++] = at;
      memory.words[word++] = literal.length;
      memory.words[word++] = fields[i] ?? -1;
      at += literal.copy(memory.bytes, at);
    }
    return new PlacedPieces(memory, area, literalBytes);
  }

  /** Address of the table. */
  get address(): number {
    return this.#area.start;
  }

  free(): void {
    this.#memory.give(this.#area);
  }
}
