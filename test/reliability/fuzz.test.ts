import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RejectedRecord } from '../../src/core/record.ts';
import { CsvParser } from '../../src/sources/csv.ts';
import { NdjsonParser } from '../../src/sources/ndjson.ts';
import { FUZZES } from './fuzz.ts';

/** bench/soak.ts has as many as one likes. */
const RUNS = 150;

describe('never a crash and never silence, whatever is in', () => {
  for (const { what, property } of FUZZES) {
    it(what, () => fc.assert(property, { numRuns: RUNS }));
  }
});

describe('a record of 100 MB', () => {
  const block = Buffer.alloc(1024 * 1024, 'x');
  const parsers = {
    csv: () => new CsvParser({ maxRecordBytes: 1_000_000 }),
    ndjson: () => new NdjsonParser({ maxRecordBytes: 1_000_000 }),
  };
  for (const [what, make] of Object.entries(parsers)) {
    it(`is rejected in constant memory, and what follows is read (${what})`, () => {
      const parser = make();
      const items = [...parser.push(Buffer.from(what === 'csv' ? 'a,b\n1,"' : '{"a":"'))];
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 100; n++) items.push(...parser.push(block));
      const grown = process.memoryUsage().rss - before;
      items.push(...parser.push(Buffer.from(what === 'csv' ? '"\n3,4\n' : '"}\n{"a":1}\n')));
      items.push(...parser.flush());
      expect(items).toHaveLength(2);
      expect((items[0] as RejectedRecord).error.code).toBe('record_too_large');
      expect(items[1]).not.toBeInstanceOf(RejectedRecord);
      expect(grown).toBeLessThan(64 * 1024 * 1024);
    });
  }
});
