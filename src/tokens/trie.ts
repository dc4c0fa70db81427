import type { Merges } from './merges.ts';

/**
 * Every token as a path of bytes, for the longest token at a place. Nodes lie in the order of a walk
 * through the whole trie, so that what follows a node is near it in memory: a search costs what its
 * cache misses cost. The first two bytes are one step through a table, a child among many one step
 * through a hash, a child among few a look at each of them.
 */
export interface Trie {
  /** By the first two bytes, `first << 8 | second`: a node, or 0. */
  readonly pairs: Int32Array;
  /**
   * Two numbers a node. First: its token + 1 in the low 18 bits, 0 when it ends none; from bit 18
   * its byte; MANY or FEW children. Second: the next child of the same parent, by byte, or 0. The
   * first child follows its parent.
   */
  readonly nodes: Int32Array;
  /** Two numbers a slot: `(parent << 8 | byte) + 1`, 0 when free, and the child. */
  readonly wide: Int32Array;
  /** Slots of `wide` less one. */
  readonly mask: number;
  /** By token: the longest shorter token that it begins with, or -1. */
  readonly shorter: Int32Array;
}

export const TOKEN_BITS = 18;
export const TOKEN_MASK = (1 << TOKEN_BITS) - 1;
/** The children are in `wide`. */
export const MANY = 1 << 26;
/** The children are to be looked at one by one. */
export const FEW = 1 << 27;
/** The most children that are looked at one by one. */
const FEW_MAX = 4;

/** Room for the children of nodes with many, of 200,000 tokens. */
const SLOTS = 1 << 19;

/** The slot at which the search for a child among many begins. */
export function wideSlot(key: number, mask: number): number {
  const hash = Math.imul(key, 0x9e3779b1);
  return (hash ^ (hash >>> 15)) & mask;
}

export function buildTrie(merges: Merges): Trie {
  const builder = new TrieBuilder(merges);
  for (let i = 0; i < merges.count; i++) builder.lay(merges.order[i]!);
  return builder.finish();
}

/**
 * Small methods, each called very often: one long loop, entered once, would be compiled and thrown
 * away several times over.
 */
class TrieBuilder {
  readonly #merges: Merges;
  readonly #pairs = new Int32Array(65536);
  #nodes: Int32Array;
  readonly #wide = new Int32Array(2 * SLOTS);
  readonly #shorter: Int32Array;
  readonly #starts: Int32Array;
  readonly #bytes: Uint8Array;
  /** By depth, along the path that was laid last: the node, and the last child laid under it. */
  readonly #path = new Int32Array(257);
  readonly #children = new Int32Array(257);
  #depth = 0;
  #last = -1;
  /** Node 0 stands for the root and for none. */
  #count = 1;

  constructor(merges: Merges) {
    const { count, length } = merges;
    this.#merges = merges;
    this.#shorter = new Int32Array(count).fill(-1);
    this.#starts = new Int32Array(count + 1);
    for (let i = 0; i < count; i++) this.#starts[i + 1] = this.#starts[i]! + length[i]!;
    const size = this.#starts[count]!;
    this.#nodes = new Int32Array(2 * size);
    this.#bytes = new Uint8Array(size);
    for (let byte = 0; byte < 256; byte++) {
      this.#bytes[this.#starts[merges.ofByte[byte]!]!] = byte;
    }
    for (let token = 256; token < count; token++) this.#spell(token);
  }

  #spell(token: number): void {
    const { halves } = this.#merges;
    const at = this.#copy(halves[2 * token]!, this.#starts[token]!);
    this.#copy(halves[2 * token + 1]!, at);
  }

  #copy(token: number, to: number): number {
    const bytes = this.#bytes;
    const end = this.#starts[token + 1]!;
    let at = to;
    for (let from = this.#starts[token]!; from < end; from++) bytes[at++] = bytes[from]!;
    return at;
  }

  /** Lays the path of a token; tokens come in the order of their bytes. */
  lay(token: number): void {
    const nodes = this.#nodes;
    const size = this.#merges.length[token]!;
    const start = this.#starts[token]!;
    const shared = this.#shared(start, size);
    this.#close(shared);
    for (let depth = shared; depth < size; depth++) this.#open(depth, this.#bytes[start + depth]!);
    const node = this.#path[size]!;
    nodes[2 * node] = nodes[2 * node]! | (token + 1);
    this.#shorter[token] = this.#tokenAbove(size);
    this.#depth = size;
    this.#last = start;
  }

  /** Bytes that a token has in common with the one before it. */
  #shared(start: number, size: number): number {
    const bytes = this.#bytes;
    const most = Math.min(size, this.#depth);
    let shared = 0;
    while (shared < most && bytes[start + shared] === bytes[this.#last + shared]) shared += 1;
    return shared;
  }

  #open(depth: number, byte: number): void {
    const nodes = this.#nodes;
    const parent = this.#path[depth]!;
    const node = this.#count++;
    nodes[2 * node] = byte << TOKEN_BITS;
    const before = this.#children[depth]!;
    if (before !== 0) nodes[2 * before + 1] = node;
    else nodes[2 * parent] = nodes[2 * parent]! | FEW;
    this.#children[depth] = node;
    this.#path[depth + 1] = node;
    this.#children[depth + 1] = 0;
    if (depth === 1) this.#pairs[this.#pair(parent, byte)] = node;
  }

  #pair(parent: number, byte: number): number {
    return (((this.#nodes[2 * parent]! >>> TOKEN_BITS) & 0xff) << 8) | byte;
  }

  /** All children of the nodes below a depth are laid. */
  #close(depth: number): void {
    for (let d = this.#depth; d > depth; d--) this.#widen(this.#path[d]!);
  }

  #widen(parent: number): void {
    const nodes = this.#nodes;
    if ((nodes[2 * parent]! & FEW) === 0) return;
    let children = 0;
    for (let child = parent + 1; child !== 0; child = nodes[2 * child + 1]!) children += 1;
    if (children <= FEW_MAX) return;
    nodes[2 * parent] = (nodes[2 * parent]! & ~FEW) | MANY;
    for (let child = parent + 1; child !== 0; child = nodes[2 * child + 1]!) {
      this.#addWide(parent, child);
    }
  }

  #addWide(parent: number, child: number): void {
    const wide = this.#wide;
    const key = ((parent << 8) | ((this.#nodes[2 * child]! >>> TOKEN_BITS) & 0xff)) + 1;
    let slot = wideSlot(key, SLOTS - 1);
    while (wide[2 * slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
    wide[2 * slot] = key;
    wide[2 * slot + 1] = child;
  }

  #tokenAbove(size: number): number {
    for (let depth = size - 1; depth > 0; depth--) {
      const token = (this.#nodes[2 * this.#path[depth]!]! & TOKEN_MASK) - 1;
      if (token !== -1) return token;
    }
    return -1;
  }

  finish(): Trie {
    this.#close(0);
    return {
      pairs: this.#pairs,
      nodes: this.#nodes.slice(0, 2 * this.#count),
      wide: this.#wide,
      mask: SLOTS - 1,
      shorter: this.#shorter,
    };
  }
}
