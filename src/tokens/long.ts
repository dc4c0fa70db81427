import { type Pairs, pairHash, TOKEN_MASK } from './pairs.ts';
import type { EncodingTables } from './tables.ts';
import { CELL_BITS, CELL_MASK, type Trie, USED } from './trie.ts';

/** Slots of the memory of neighbours. */
const BORDER_LOG = 15; // 256 KiB

/**
 * Byte pair encoding of one long piece of text, counting only.
 *
 * Merging lowest rank first ends in the one sequence of tokens in which every two neighbours could
 * have stood beside each other all along: undo their merges, last one first, and at no moment was
 * there a merge across the border between them that came before the next one on either side. So
 * tokens are laid from left to right, the longest first, a shorter one where the neighbours do not
 * agree, and one step back where none agrees. A place that was given up is never tried again, which
 * keeps the time linear in the piece's length whatever is in it.
 */
export class LongPieces {
  readonly #halves: Int32Array;
  readonly #lowest: Int32Array;
  readonly #pairs: Pairs;
  readonly #trie: Trie;
  /** By hash of two neighbours: the left one; the right one, doubled, plus 1 when they agree. */
  readonly #borders = new Int32Array(2 << BORDER_LOG).fill(-1);
  /** The tokens laid so far, and where they begin. */
  #tokens = new Int32Array(1024);
  #starts = new Int32Array(1024);
  /** By place in the piece: the round in which it was given up. */
  #dead = new Uint32Array(1024);
  #round = 0;
  /** Where the token that was looked for last ends. */
  #end = 0;

  constructor({ merges, pairs, trie }: EncodingTables, lookUp: Pairs) {
    this.#halves = merges.halves;
    this.#lowest = pairs.lowest;
    this.#pairs = lookUp;
    this.#trie = trie;
  }

  /** Tokens of `bytes[start, end)`, one piece of at least one byte. */
  count(bytes: Uint8Array, start: number, end: number): number {
    let token = this.#longest(bytes, start, end);
    let next = this.#end;
    if (next === end) return 1;
    this.#begin(end - start);
    const tokens = this.#tokens;
    const starts = this.#starts;
    const dead = this.#dead;
    const round = this.#round;
    let depth = 0;
    let at = start;
    for (;;) {
      if (
        dead[next - start] !== round &&
        (depth === 0 || this.#agree(tokens[depth - 1]!, token, (bytes[at - 1]! << 8) | bytes[at]!))
      ) {
        tokens[depth] = token;
        starts[depth++] = at;
        if (next === end) return depth;
        at = next;
        token = this.#longest(bytes, at, end);
        next = this.#end;
      } else if (next - at > 1) {
        token = this.#longest(bytes, at, next - 1);
        next = this.#end;
      } else {
        dead[at - start] = round;
        next = at;
        depth -= 1;
        token = tokens[depth]!;
        at = starts[depth]!;
      }
    }
  }

  #begin(size: number): void {
    if (this.#tokens.length <= size) {
      this.#tokens = new Int32Array(2 * size);
      this.#starts = new Int32Array(2 * size);
      this.#dead = new Uint32Array(2 * size);
      this.#round = 0;
    }
    this.#round += 1;
    if (this.#round === 0xffffffff) {
      this.#dead.fill(0);
      this.#round = 1;
    }
  }

  /** The longest token that begins at `start`, a single byte if no other; `#end` is its end. */
  #longest(bytes: Uint8Array, start: number, end: number): number {
    const trie = this.#trie;
    let cell = bytes[start]! << 1;
    let token = trie[cell + 1]!;
    let after = start + 1;
    for (let at = after; at < end; at++) {
      const byte = bytes[at]!;
      cell = ((trie[cell]! >>> CELL_BITS) + byte) << 1;
      if ((trie[cell]! & CELL_MASK) !== (byte | USED)) break;
      const here = trie[cell + 1]!;
      if (here !== -1) {
        token = here;
        after = at + 1;
      }
    }
    this.#end = after;
    return token;
  }

  /** As `#neighbours`, remembering what was found last for many pairs. */
  #agree(x: number, y: number, border: number): boolean {
    const known = this.#borders;
    const slot = (pairHash(x, y) >>> (32 - BORDER_LOG)) << 1;
    if (known[slot] === x && known[slot + 1]! >> 1 === y) return (known[slot + 1]! & 1) === 1;
    const agree = this.#neighbours(x, y, this.#lowest[border]!);
    known[slot] = x;
    known[slot + 1] = (y << 1) | (agree ? 1 : 0);
    return agree;
  }

  /** Whether merging would have left this border alone until both tokens were whole. */
  #neighbours(leftToken: number, rightToken: number, lowest: number): boolean {
    const halves = this.#halves;
    let x = leftToken;
    let y = rightToken;
    // The rank at which x or y ceased to be a token of its own; across the border only a lower one
    // comes before it.
    let bound = TOKEN_MASK;
    while (bound > lowest) {
      if (this.#pairs.merged(x, y) < bound) return false;
      if (x > y) {
        if (x < 256) return true;
        bound = x;
        x = halves[2 * x + 1]!;
      } else {
        if (y < 256) return true;
        // Of two equal merges the left one comes first, and that would be the one across.
        bound = y + 1;
        y = halves[2 * y]!;
      }
    }
    return true;
  }
}
