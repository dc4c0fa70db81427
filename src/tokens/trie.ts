import type { Merges } from './merges.ts';

/**
 * Every token as a path of bytes, for the longest token at a place. Nodes lie in the order of a walk
 * through the whole trie, so that what follows a node is near it in memory: a search costs what its
 * cache misses cost. The first two bytes, or a character of three, are one step through a table; so
 * is a child among many; a child among few is a look at each of them.
 */
export interface Trie {
  /** By the first two bytes, `first << 8 | second`: a node, or 0. */
  readonly pairs: Int32Array;
  /**
   * Two numbers a node. First: its token + 1 in the low 18 bits, 0 when it ends none; from bit 18
   * its byte; MANY or FEW children. Second: the next child of the same parent, by byte, or 0. The
   * first child follows its parent; of many, its second number says where in `wide` the bytes begin.
   */
  readonly nodes: Int32Array;
  /** By the bits of a character of three bytes: its node, or 0. */
  readonly chars: Int32Array;
  /** Two numbers a slot, at the beginning plus the byte: the parent, and the child. */
  readonly wide: Int32Array;
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
  #wide = new Int32Array(1 << 20);
  #slots = 256;
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
    const begin = this.#slots - this.#byte(parent + 1);
    if (2 * (begin + 256) > this.#wide.length) this.#grow();
    for (let child = parent + 1; child !== 0; child = nodes[2 * child + 1]!) {
      const slot = begin + this.#byte(child);
      this.#wide[2 * slot] = parent;
      this.#wide[2 * slot + 1] = child;
      this.#slots = slot + 1;
    }
    nodes[2 * parent + 3] = begin;
  }

  #byte(node: number): number {
    return (this.#nodes[2 * node]! >>> TOKEN_BITS) & 0xff;
  }

  #grow(): void {
    const wide = new Int32Array(2 * this.#wide.length);
    wide.set(this.#wide);
    this.#wide = wide;
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
      nodes: this.#nodes.slice(0, 2 * this.#count + 2),
      chars: this.#chars(),
      wide: this.#wide.slice(0, 2 * (this.#slots + 256)),
      shorter: this.#shorter,
    };
  }

  #chars(): Int32Array {
    const chars = new Int32Array(65536);
    for (let pair = 0; pair < 1024; pair++) {
      const node = this.#pairs[((0xe0 | (pair >> 6)) << 8) | 0x80 | (pair & 63)]!;
      if (node === 0) continue;
      for (let byte = 0; byte < 64; byte++) {
        chars[(pair << 6) | byte] = childOf(node, 0x80 | byte, this.#nodes, this.#wide);
      }
    }
    return chars;
  }
}

/** The child of a node by a byte, or 0. */
export function childOf(node: number, byte: number, nodes: Int32Array, wide: Int32Array): number {
  const entry = nodes[2 * node]!;
  if ((entry & FEW) !== 0) {
    let child = node + 1;
    while (((nodes[2 * child]! >>> TOKEN_BITS) & 0xff) !== byte) {
      child = nodes[2 * child + 1]!;
      if (child === 0) return 0;
    }
    return child;
  }
  if ((entry & MANY) === 0) return 0;
  const slot = 2 * (nodes[2 * node + 3]! + byte);
  return wide[slot] === node ? wide[slot + 1]! : 0;
}
