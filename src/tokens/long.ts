import type { Merges } from './merges.ts';
import { type Pairs, pairHash } from './pairs.ts';
import { buildTrie, childOf, TOKEN_MASK, type Trie } from './trie.ts';

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
  readonly #merges: Merges;
  readonly #pairs: Pairs;
  readonly #trie: Trie;
  /** By hash of two neighbours: the left one; the right one, doubled, plus 1 when they agree. */
  readonly #borders = new Int32Array(2 << BORDER_LOG).fill(-1);
  #tokens = new Int32Array(1024);
  /** By place in the piece: the round in which it was given up. */
  #dead = new Uint32Array(1024);
  #round = 0;

  constructor(merges: Merges, pairs: Pairs) {
    this.#merges = merges;
    this.#pairs = pairs;
    this.#trie = buildTrie(merges);
  }

  /** Tokens of `bytes[start, end)`, one piece of at least one byte. */
  count(bytes: Uint8Array, start: number, end: number): number {
    const { length } = this.#merges;
    let token = this.#longest(bytes, start, end);
    if (length[token] === end - start) return 1;
    this.#begin(end - start);
    const tokens = this.#tokens;
    const dead = this.#dead;
    const round = this.#round;
    let depth = 0;
    let at = start;
    for (;;) {
      const next = at + length[token]!;
      if (
        dead[next - start] !== round &&
        (depth === 0 || this.#agree(tokens[depth - 1]!, token, (bytes[at - 1]! << 8) | bytes[at]!))
      ) {
        tokens[depth++] = token;
        if (next === end) return depth;
        at = next;
        token = this.#longest(bytes, at, end);
        continue;
      }
      token = this.#trie.shorter[token]!;
      if (token === -1) {
        dead[at - start] = round;
        token = tokens[--depth]!;
        at -= length[token]!;
      }
    }
  }

  #begin(size: number): void {
    if (this.#tokens.length <= size) {
      this.#tokens = new Int32Array(2 * size);
      this.#dead = new Uint32Array(2 * size);
      this.#round = 0;
    }
    this.#round += 1;
    if (this.#round === 0xffffffff) {
      this.#dead.fill(0);
      this.#round = 1;
    }
  }

  #longest(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start]!;
    const { pairs, chars } = this.#trie;
    if (first >= 0xe0 && first < 0xf0 && start + 2 < end) {
      const low = ((bytes[start + 1]! & 63) << 6) | (bytes[start + 2]! & 63);
      const node = chars[((first & 15) << 12) | low]!;
      const token = node === 0 ? -1 : this.#longestFrom(node, bytes, start + 3, end, -1);
      if (token !== -1) return token;
    }
    const token = this.#merges.ofByte[first]!;
    if (start + 1 === end) return token;
    const node = pairs[(first << 8) | bytes[start + 1]!]!;
    return node === 0 ? token : this.#longestFrom(node, bytes, start + 2, end, token);
  }

  /** The longest token at `above` or below it, or else `otherwise`. */
  #longestFrom(
    above: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    otherwise: number,
  ): number {
    const { nodes, wide } = this.#trie;
    let token = otherwise;
    let node = above;
    for (let at = start; ; at++) {
      const own = nodes[2 * node]! & TOKEN_MASK;
      if (own !== 0) token = own - 1;
      if (at === end) return token;
      node = childOf(node, bytes[at]!, nodes, wide);
      if (node === 0) return token;
    }
  }

  /** As `#neighbours`, remembering what was found last for many pairs. */
  #agree(x: number, y: number, border: number): boolean {
    const known = this.#borders;
    const slot = (pairHash(x, y) >>> (32 - BORDER_LOG)) << 1;
    if (known[slot] === x && known[slot + 1]! >> 1 === y) return (known[slot + 1]! & 1) === 1;
    const agree = this.#neighbours(x, y, this.#pairs.lowest[border]!);
    known[slot] = x;
    known[slot + 1] = (y << 1) | (agree ? 1 : 0);
    return agree;
  }

  /** Whether merging would have left this border alone until both tokens were whole. */
  #neighbours(leftToken: number, rightToken: number, lowest: number): boolean {
    const { halves } = this.#merges;
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
