import { type Merges, readMerges } from './merges.ts';
import { buildTrie, childOf, TOKEN_BITS, TOKEN_MASK, type Trie } from './trie.ts';

/** Slots of the table of merges, for 200,000 of them. */
const PAIR_LOG = 19; // 4 MiB
/** Slots of the memory of merges. */
const KNOWN_LOG = 14; // 128 KiB
/** Numbers, of 32 bits each, of the table that rules merges out, less one. */
const MAYBE_MASK = 65536 - 1; // 256 KiB
/** The most bytes of a piece that is merged as its encoding says. */
const SHORT = 32;
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
  /** Two numbers a slot: left and the low bits of right; the token and the rest of right. */
  readonly #pairs: Int32Array;
  /** Bits by hash of two tokens; most pairs merge into nothing, and this small table says so. */
  readonly #maybe = new Int32Array(MAYBE_MASK + 1);
  /** The same as `#pairs` for what was asked last. */
  readonly #known = new Int32Array(2 << KNOWN_LOG).fill(-1);
  readonly #bytePairs = new Int32Array(65536).fill(TOKEN_MASK);
  readonly #parts = new Int32Array(SHORT);
  readonly #ranks = new Int32Array(SHORT);
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
    this.#pairs = new Int32Array(2 << PAIR_LOG).fill(-1);
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
    if (end - start <= SHORT) return this.#merge(bytes, start, end);
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

  /** Merges the lowest pair again and again: for few bytes the quickest way. */
  #merge(bytes: Uint8Array, start: number, end: number): number {
    const { ofByte } = this.#merges;
    const tokens = this.#parts;
    const ranks = this.#ranks;
    const bytePairs = this.#bytePairs;
    let last = end - start - 1;
    let best = TOKEN_MASK;
    let place = 0;
    let byte = bytes[start]!;
    for (let i = 0; i < last; i++) {
      const next = bytes[start + i + 1]!;
      const rank = bytePairs[(byte << 8) | next]!;
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
      if (place < last) ranks[place] = this.#merged(best, tokens[place + 1]!);
      if (place > 0) ranks[place - 1] = this.#merged(tokens[place - 1]!, best);
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

  /** `ends`: the first and the last byte of every lower token. */
  #addPair(token: number, ends: Uint8Array): void {
    const left = this.#merges.halves[2 * token]!;
    const right = this.#merges.halves[2 * token + 1]!;
    ends[2 * token] = ends[2 * left]!;
    ends[2 * token + 1] = ends[2 * right + 1]!;
    if (left < 256 && right < 256)
      this.#bytePairs[(ends[2 * left]! << 8) | ends[2 * right]!] = token;
    const border = (ends[2 * left + 1]! << 8) | ends[2 * right]!;
    if (this.#lowest[border] === TOKEN_MASK) this.#lowest[border] = token;
    const hash = pairHash(left, right);
    const pairs = this.#pairs;
    this.#maybe[(hash >>> 5) & MAYBE_MASK]! |= 1 << hash;
    let slot = hash >>> (32 - PAIR_LOG);
    while (pairs[2 * slot] !== -1) slot = (slot + 1) & ((1 << PAIR_LOG) - 1);
    pairs[2 * slot] = left | (right << TOKEN_BITS);
    pairs[2 * slot + 1] = token | ((right >>> 14) << TOKEN_BITS);
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
    if (((this.#maybe[(hash >>> 5) & MAYBE_MASK]! >>> hash) & 1) === 0) return TOKEN_MASK;
    const low = x | (y << TOKEN_BITS);
    const high = (y >>> 14) << TOKEN_BITS;
    const known = this.#known;
    const at = (hash >>> (32 - KNOWN_LOG)) << 1;
    const entry = known[at + 1]!;
    if (known[at] === low && ((entry ^ high) & ~TOKEN_MASK) === 0) return entry & TOKEN_MASK;
    const token = this.#find(hash, low, high);
    known[at] = low;
    known[at + 1] = high | token;
    return token;
  }

  #find(hash: number, low: number, high: number): number {
    const pairs = this.#pairs;
    let slot = hash >>> (32 - PAIR_LOG);
    for (;;) {
      const first = pairs[2 * slot]!;
      if (first === -1) return TOKEN_MASK;
      const entry = pairs[2 * slot + 1]!;
      if (first === low && ((entry ^ high) & ~TOKEN_MASK) === 0) return entry & TOKEN_MASK;
      slot = (slot + 1) & ((1 << PAIR_LOG) - 1);
    }
  }
}

function pairHash(x: number, y: number): number {
  const hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca6b);
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
