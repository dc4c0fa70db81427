import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvParser, parseCsv } from '../../src/sources/csv.ts';
import { CsvRecords } from '../../src/sources/csv-records.ts';
import { parseJson } from '../../src/sources/json.ts';
import { parseNdjson } from '../../src/sources/ndjson.ts';
import type { Stage } from '../../src/streams/stage.ts';
import { parseInChunks } from './chunks.ts';

// The kernel is held to what needs none: rows of CSV to the scanner alone, objects to JSON.parse.

const CSV = { delimiter: ',', newline: 'lf', header: ['a', 'b'] } as const;
const withoutKernel = { ...CSV, maker: (columns: readonly string[]) => new CsvRecords(columns) };

const field = fc.oneof(
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', 'ж', '🙂', ' '), maxLength: 6 }),
  fc
    .tuple(fc.integer({ min: 0, max: 70 }), fc.constantFrom('é', '""', '\r', '🙂', ''))
    .map(([length, end]) => 'x'.repeat(length) + end),
);
const quoted = field.map((text) => `"${text.replaceAll('"', '""')}"`);
const line = fc
  .array(fc.oneof(field, quoted, quoted), { minLength: 1, maxLength: 3 })
  .chain((fields) =>
    fc.constantFrom('\n', '\r\n', '\r', '\n\n').map((end) => fields.join(',') + end),
  );

describe('rows of CSV', () => {
  it('are those of the scanner, whatever the bytes, chunks and limits', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.constantFrom(1, 5, 16, 33, 100_000),
        fc.constantFrom(20, 1000),
        (lines, size, maxRecordBytes) => {
          const input = lines.join('');
          const taken = parseInChunks(new CsvParser({ ...CSV, maxRecordBytes }), input, size);
          const plain = new CsvParser({ ...withoutKernel, maxRecordBytes });
          expect(taken).toEqual(parseInChunks(plain, input, size));
        },
      ),
      { numRuns: 1500 },
    );
  });
});

/** Records of which some do not fit into a block, into the kernel, or into any of its memory. */
const records = [10, 900, 70_000, 0, 20, 300_000, 15, 1_300_000, 16, 17, ...Array(3000).keys()].map(
  (length, n) => ({
    n: String(n),
    text: `"${'x'.repeat(length)}\n€`,
    more: 'ж'.repeat(length % 40),
  }),
);
const ndjson = records.map((record) => JSON.stringify(record)).join('\n');
const csv = records.map((row) =>
  Object.values(row)
    .map((text) => `"${text.replaceAll('"', '""')}"`)
    .join(','),
);
const sources: readonly (readonly [string, Stage<Uint8Array, { record: unknown }>, string])[] = [
  ['NDJSON', parseNdjson(), ndjson],
  ['a JSON array', parseJson(), `[${ndjson.replaceAll('\n', ',\n')}]`],
  ['CSV', parseCsv(), `n,text,more\n${csv.join('\r\n')}`],
];

describe.each(sources)('records of %s', (_, parse, text) => {
  it.each([1000, 131_071, 300_000, 10_000_000])('come whole from chunks of %i', async (size) => {
    const bytes = Buffer.from(text);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    let row = 0;
    for await (const { record } of parse(Readable.from(chunks))) {
      expect(record).toEqual(records[row++]);
    }
    expect(row).toBe(records.length);
  });
});
