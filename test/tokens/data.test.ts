import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  HALVES,
  OF_BYTE,
  PAIRS,
  PAIRS_LOG,
  PLACES,
  TABLES_END,
  TRIE,
} from '../../src/tokens/layout.ts';
import { loadTables } from '../../src/tokens/tables.ts';

// Of a cell's first number: the byte and that there is one, and above them where the children begin.
const CELL_BITS = 9;
const CELL_MASK = (1 << CELL_BITS) - 1;
const USED = 0x100;

// The hashes that OpenAI publishes for its rank files.
const SHA256 = {
  o200k_base: '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d',
  cl100k_base: '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7',
};

describe.each(['o200k_base', 'cl100k_base'] as const)('%s', (name) => {
  const numbers = (start: number, end: number) => new Int32Array(buffer, start, (end - start) / 4);
  const file = (which: string) =>
    readFileSync(new URL(`../../src/tokens/data/${which}.bin`, import.meta.url));
  const { buffer } = loadTables(name).memory;
  const count = file(name).readUInt32LE(0);
  const merges = {
    count,
    ofByte: numbers(OF_BYTE, OF_BYTE + 1024),
    halves: numbers(HALVES, HALVES + 8 * count),
  };
  const trie = numbers(TRIE, TRIE + file(`${name}-trie`).length);
  const tokens: Buffer[] = [];
  merges.ofByte.forEach((rank, byte) => {
    tokens[rank] = Buffer.from([byte]);
  });
  for (let rank = 256; rank < merges.count; rank++) {
    tokens[rank] = Buffer.concat([
      tokens[merges.halves[2 * rank]!]!,
      tokens[merges.halves[2 * rank + 1]!]!,
    ]);
  }

  it('spells the rank file that its maker published', () => {
    const lines = tokens.map((bytes, rank) => `${bytes.toString('base64')} ${rank}\n`);
    expect(createHash('sha256').update(lines.join('')).digest('hex')).toBe(SHA256[name]);
  });

  it('fits in the room of its tables', () => {
    expect(HALVES + 8 * count).toBeLessThanOrEqual(PLACES);
    expect(TRIE + 4 * trie.length).toBeLessThanOrEqual(TABLES_END);
  });

  it('has a place of its own for every merge', () => {
    const pairs = new BigUint64Array(buffer, PAIRS, 1 << PAIRS_LOG);
    expect(pairs.filter((slot) => slot !== 0n)).toHaveLength(count - 256);
  });

  it('has merges of lower ranks only', () => {
    const ranks = Array.from({ length: merges.count - 256 }, (_, i) => i + 256);
    const wrong = ranks.filter(
      (rank) => merges.halves[2 * rank]! >= rank || merges.halves[2 * rank + 1]! >= rank,
    );
    expect(wrong).toEqual([]);
  });

  it('has every token at the end of its path of cells, and no other paths', () => {
    const cells = new Set<number>();
    const wrong = tokens.filter((bytes, rank) => {
      let cell = bytes[0]!;
      cells.add(cell);
      for (const byte of bytes.subarray(1)) {
        cell = (trie[2 * cell]! >>> CELL_BITS) + byte;
        cells.add(cell);
        if ((trie[2 * cell]! & CELL_MASK) !== (byte | USED)) return true;
      }
      return trie[2 * cell + 1] !== rank;
    });
    expect(wrong).toEqual([]);
    const used = trie.filter((entry, i) => i % 2 === 0 && (entry & USED) !== 0).length;
    const ends = trie.filter((token, i) => i % 2 === 1 && token !== -1).length;
    expect([used, ends]).toEqual([cells.size, merges.count]);
  });

  it('has no two cells whose children begin at one place, nor any outside', () => {
    const size = trie.length / 2;
    const begins = [...trie.filter((entry, i) => i % 2 === 0 && (entry & USED) !== 0)].map(
      (entry) => entry >>> CELL_BITS,
    );
    // Where childless ones point, no cell is.
    const childless = size - 256;
    expect(trie.subarray(2 * childless).some((entry, i) => i % 2 === 0 && entry !== 0)).toBe(false);
    const others = begins.filter((begin) => begin !== childless);
    expect(others.every((begin) => begin > 0 && begin < childless)).toBe(true);
    expect(new Set(others).size).toBe(others.length);
  });
});
