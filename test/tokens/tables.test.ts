import { expect, it } from 'vitest';
import { exactEncoding } from '../../src/tokens/exact.ts';
import { encodingTables, giveTables } from '../../src/tokens/tables.ts';

const arrays = (tables: object): Int32Array[] =>
  Object.values(tables).flatMap((value: unknown) => {
    if (value instanceof Int32Array) return [value];
    return typeof value === 'object' && value !== null ? arrays(value) : [];
  });

it('goes to another thread without a copy of any table', () => {
  const tables = encodingTables('cl100k_base');
  const there = arrays(structuredClone(tables));
  expect(there).toHaveLength(7);
  for (const [i, table] of arrays(tables).entries()) {
    expect(table.buffer).toBeInstanceOf(SharedArrayBuffer);
    // A mark that is seen there is in the same memory; the table is put right again.
    const before = table[0]!;
    table[0] = ~before;
    expect(there[i]![0]).toBe(~before);
    table[0] = before;
  }
});

it('counts by the tables that it was given', () => {
  const tables = encodingTables('cl100k_base');
  const text = `Counting by given tables: naïve façades, 12345 -- ${'='.repeat(99)}`;
  const tokens = 18;
  expect(exactEncoding('cl100k_base').countText(text)).toBe(tokens);
  const given = structuredClone(tables);
  giveTables(given);
  expect(encodingTables('cl100k_base')).toBe(given);
  expect(exactEncoding('cl100k_base').countText(text)).toBe(tokens);
  // Without a word's path it is longer.
  given.pairs.maybe.fill(0);
  expect(exactEncoding('cl100k_base').countText(text)).toBeGreaterThan(tokens);
});
