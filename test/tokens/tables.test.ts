import { afterEach, expect, it } from 'vitest';
import { exactEncoding } from '../../src/tokens/exact.ts';
import { MAYBE, MAYBE_LOG, TRIE } from '../../src/tokens/layout.ts';
import { claimRegion, giveTables, loadTables } from '../../src/tokens/tables.ts';

const text = `Counting by given tables: naïve façades, 12345 -- ${'='.repeat(99)}`;
const tokens = 18;
const count = () => exactEncoding('cl100k_base').countText(text);

afterEach(() => giveTables(null));

it('goes to another thread without a copy', () => {
  const tables = loadTables('cl100k_base');
  const { buffer } = tables.memory;
  expect(buffer).toBeInstanceOf(SharedArrayBuffer);
  const there = structuredClone(tables);
  const [mine, theirs] = [buffer, there.memory.buffer].map((each) => new Uint8Array(each, TRIE));
  mine![0] = 77;
  expect(theirs![0]).toBe(77);
});

it('counts by the tables that it was given, one counter to a region', () => {
  const given = loadTables('cl100k_base', 2);
  giveTables(given);
  expect(count()).toBe(tokens);
  const first = claimRegion('cl100k_base');
  expect(first.tables).toBe(given);
  // There is none left for a third, which loads its own.
  expect(claimRegion('cl100k_base').tables).not.toBe(given);
  expect(claimRegion('o200k_base').tables.name).toBe('o200k_base');
  expect(count()).toBe(tokens);
});

it('gives different counters different regions', () => {
  giveTables(loadTables('cl100k_base', 3));
  const starts = [1, 2, 3].map(() => claimRegion('cl100k_base').region.start);
  expect(new Set(starts).size).toBe(3);
});

it('counts more without the merges of an encoding', () => {
  const given = loadTables('cl100k_base');
  new Uint8Array(given.memory.buffer, MAYBE, 1 << (MAYBE_LOG - 3)).fill(0);
  giveTables(given);
  expect(count()).toBeGreaterThan(tokens);
});

it('counts a text that is longer than all before, and short ones behind it', () => {
  const encoding = exactEncoding('cl100k_base');
  const many = 60_000; // 9 MB, more than is kept for the next long one
  const once = encoding.countText(text);
  for (let round = 0; round < 2; round++) {
    expect(encoding.countText(`${text}\n`.repeat(many))).toBe(once * many);
    expect(encoding.countText(text)).toBe(once);
  }
});
