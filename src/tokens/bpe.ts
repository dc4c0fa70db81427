import { type Merges, readMerges } from './merges.ts';
import { buildTrie, FEW, MANY, TOKEN_BITS, TOKEN_MASK, type Trie, wideSlot } from './trie.ts';

/** Slots of the table of merges, for 200,000 of them. */
const PAIR_SLOTS = 1 << 19;
const MAYBE_LOG = 21;
const MAYBE_BITS = 1 << MAYBE_LOG; // 256 KiB
/** Slots of the memory of neighbours. */
const BORDER_LOG = 15;

/**
 * Byte pair encoding of one piece of text, counting only.
 *
 * Merging lowest rank first ends in the one sequence of tokens in which every two neighbours could
 * have stood beside each other all along: undo their merges, last one first, and at no moment was
 * there a merge across the border between them that came before the next one on either side. So
 * tokens are laid from left to right, the longest first, a shorter one where the neighbours do not
 * agree, and one step back where none agrees. A place that was given up is never tried again, which
 * keeps the time linear in the piece's length whatever is in it.
 */
export class PieceCounter {
  readonly #merges: Merges;
  readonly #trie: Trie;
  readonly #pairs: Int32Array;
  /** Bits by hash of two tokens; most pairs merge into nothing, and this small table says so. */
  readonly #maybe: Int32Array;
  /** By the two bytes at a border, `before << 8 | after`: the lowest token that merges across it. */
  readonly #lowest = new Int32Array(65536).fill(TOKEN_MASK);
  /** By hash of two neighbours: the left one; the right one, doubled, plus 1 when they agree. */
  readonly #borders = new Int32Array(2 << BORDER_LOG).fill(-1);
  #tokens = new Int32Array(1024);
  /** By place in the piece: the round in which it was given up. */
  #dead = new Uint32Array(1024);
  #round = 0;

  constructor(encoding: string) {
    this.#merges = readMerges(encoding);
    this.#trie = buildTrie(this.#merges);
    this.#pairs = new Int32Array(PAIR_SLOTS);
    this.#maybe = new Int32Array(MAYBE_BITS / 32);
    const ends = new Uint8Array(2 * this.#merges.count);
    this.#merges.ofByte.forEach((token, byte) => {
      ends.fill(byte, 2 * token, 2 * token + 2);
    });
    for (let token = 256; token < this.#merges.count; token++) this.#addPair(token, ends);
  }

  /** Tokens of every piece of two bytes, by `first << 8 | second`. */
  pairCounts(): Uint8Array {
    const { pairs, nodes } = this.#trie;
    const counts = new Uint8Array(65536).fill(2);
    pairs.forEach((node, pair) => {
      if (node !== 0 && (nodes[2 * node]! & TOKEN_MASK) !== 0) counts[pair] = 1;
    });
    return counts;
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

  /** `ends`: the first and the last byte of every lower token. */
  #addPair(token: number, ends: Uint8Array): void {
    const left = this.#merges.halves[2 * token]!;
    const right = this.#merges.halves[2 * token + 1]!;
    ends[2 * token] = ends[2 * left]!;
    ends[2 * token + 1] = ends[2 * right + 1]!;
    const border = (ends[2 * left + 1]! << 8) | ends[2 * right]!;
    if (this.#lowest[border] === TOKEN_MASK) this.#lowest[border] = token;
    const hash = pairHash(left, right);
    this.#maybe[hash >>> (37 - MAYBE_LOG)]! |= 1 << (hash >>> (32 - MAYBE_LOG));
    let slot = hash & (PAIR_SLOTS - 1);
    while (this.#pairs[slot] !== 0) slot = (slot + 1) & (PAIR_SLOTS - 1);
    this.#pairs[slot] = ((hash >>> TOKEN_BITS) << TOKEN_BITS) | token;
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
    let token = this.#merges.ofByte[first]!;
    if (start + 1 === end) return token;
    const { pairs, nodes } = this.#trie;
    let node = pairs[(first << 8) | bytes[start + 1]!]!;
    if (node === 0) return token;
    for (let at = start + 2; ; at++) {
      const entry = nodes[2 * node]!;
      if ((entry & TOKEN_MASK) !== 0) token = (entry & TOKEN_MASK) - 1;
      if (at === end) return token;
      const byte = bytes[at]!;
      if ((entry & FEW) !== 0) {
        node += 1;
        while (((nodes[2 * node]! >>> TOKEN_BITS) & 0xff) !== byte) {
          node = nodes[2 * node + 1]!;
          if (node === 0) return token;
        }
      } else if ((entry & MANY) !== 0) {
        node = this.#child(node, byte);
        if (node === 0) return token;
      } else {
        return token;
      }
    }
  }

  #child(node: number, byte: number): number {
    const { wide, mask } = this.#trie;
    const key = ((node << 8) | byte) + 1;
    let slot = wideSlot(key, mask);
    for (;;) {
      const found = wide[2 * slot]!;
      if (found === key) return wide[2 * slot + 1]!;
      if (found === 0) return 0;
      slot = (slot + 1) & mask;
    }
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
    const { halves } = this.#merges;
    let x = leftToken;
    let y = rightToken;
    // The rank at which x or y ceased to be a token of its own; across the border only a lower one
    // comes before it.
    let bound = TOKEN_MASK;
    while (bound > lowest) {
      if (this.#merged(x, y) < bound) return false;
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

  /** The token that two tokens merge into, or a number above all tokens. */
  #merged(x: number, y: number): number {
    const hash = pairHash(x, y);
    if (((this.#maybe[hash >>> (37 - MAYBE_LOG)]! >>> (hash >>> (32 - MAYBE_LOG))) & 1) === 0) {
      return TOKEN_MASK;
    }
    const pairs = this.#pairs;
    const { halves } = this.#merges;
    const mark = (hash >>> TOKEN_BITS) << TOKEN_BITS;
    let slot = hash & (PAIR_SLOTS - 1);
    for (;;) {
      const entry = pairs[slot]!;
      if (entry === 0) return TOKEN_MASK;
      if (((entry ^ mark) & ~TOKEN_MASK) === 0) {
        const token = entry & TOKEN_MASK;
        if (halves[2 * token] === x && halves[2 * token + 1] === y) return token;
      }
      slot = (slot + 1) & (PAIR_SLOTS - 1);
    }
  }
}

function pairHash(x: number, y: number): number {
  const hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca6b);
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
