import { readNumbers } from './shared.ts';

/**
 * Every token as a path of bytes through cells, for the longest token at a place. A node's child by a
 * byte is at where its children begin plus the byte; a step is one look at one cell, its cache miss
 * is all it costs. No two nodes' children begin at one place, so that a cell which holds the byte is
 * the child.
 *
 * Two numbers a cell. First: the byte, plus `USED`, in the low 9 bits, 0 where no cell is; above them
 * where the children begin. Second: the token that ends here, or -1. The single bytes are at 0 to 255.
 */
export type Trie = Int32Array;

export const USED = 0x100;
export const CELL_BITS = 9;
export const CELL_MASK = (1 << CELL_BITS) - 1;

/** Reads `data/<name>-trie.bin`, made by scripts/make-token-data.mjs, as it lies. */
export function readTrie(name: string): Trie {
  return readNumbers(`${name}-trie.bin`);
}
