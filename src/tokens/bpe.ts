import { LongPieces } from './long.ts';
import { type Merges, readMerges } from './merges.ts';
import { Pairs } from './pairs.ts';
import { TOKEN_MASK } from './trie.ts';

/** The most bytes of a piece that is merged as its encoding says. */
const SHORT = 32;

/** Byte pair encoding of one piece of text, counting only. */
export class PieceCounter {
  readonly #merges: Merges;
  readonly #pairs: Pairs;
  readonly #tokens = new Int32Array(SHORT);
  /** By place: the token that it and the next one merge into. */
  readonly #ranks = new Int32Array(SHORT);
  /** Its tables take as long to build as all the others: not before there is such a piece. */
  #long: LongPieces | undefined;

  constructor(encoding: string) {
    this.#merges = readMerges(encoding);
    this.#pairs = new Pairs(this.#merges);
  }

  /** Tokens of every piece of two bytes, by `first << 8 | second`. */
  pairCounts(): Uint8Array {
    return Uint8Array.from(this.#pairs.ofBytes, (token) => (token === TOKEN_MASK ? 2 : 1));
  }

  /** Tokens of `bytes[start, end)`, one piece of at least one byte. */
  count(bytes: Uint8Array, start: number, end: number): number {
    if (end - start <= SHORT) return this.#merge(bytes, start, end);
    this.#long ??= new LongPieces(this.#merges, this.#pairs);
    return this.#long.count(bytes, start, end);
  }

  /** Merges the lowest pair again and again: for few bytes the quickest way. */
  #merge(bytes: Uint8Array, start: number, end: number): number {
    const { ofByte } = this.#merges;
    const tokens = this.#tokens;
    const ranks = this.#ranks;
    const pairs = this.#pairs;
    let last = end - start - 1;
    let best = TOKEN_MASK;
    let place = 0;
    let byte = bytes[start]!;
    for (let i = 0; i < last; i++) {
      const next = bytes[start + i + 1]!;
      const rank = pairs.ofBytes[(byte << 8) | next]!;
      tokens[i] = ofByte[byte]!;
      ranks[i] = rank;
      if (rank < best) {
        best = rank;
        place = i;
      }
      byte = next;
    }
    tokens[last] = ofByte[byte]!;
    while (best !== TOKEN_MASK) {
      for (let i = place + 1; i < last; i++) {
        tokens[i] = tokens[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      last -= 1;
      tokens[place] = best;
      if (place < last) ranks[place] = pairs.merged(best, tokens[place + 1]!);
      if (place > 0) ranks[place - 1] = pairs.merged(tokens[place - 1]!, best);
      best = TOKEN_MASK;
      for (let i = 0; i < last; i++) {
        const rank = ranks[i]!;
        if (rank < best) {
          best = rank;
          place = i;
        }
      }
    }
    return last + 1;
  }
}
