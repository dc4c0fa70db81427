import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvBoundaries, LineBoundaries } from '../../src/sources/boundaries.ts';
import { CsvParser } from '../../src/sources/csv.ts';
import { NdjsonParser } from '../../src/sources/ndjson.ts';
import { rawMemory } from '../../src/sources/raw/memory.ts';
import { parseInChunks } from './chunks.ts';

/** A writer by RFC 4180, as plain as can be. */
function writeCsv(rows: string[][], newline: string, quoteAll: boolean): string {
  const field = (text: string) =>
    quoteAll || text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return rows.map((row) => row.map(field).join(',') + newline).join('');
}

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', 'ж', '🙂'), maxLength: 8 }),
);
const soup = fc
  .string({
    unit: fc.constantFrom('"', '"', ',', '\n', '\r', '\r\n', 'a', 'ж', ' '),
    maxLength: 60,
  })
  .map((s) => Buffer.from(s));

describe('CSV by property', () => {
  it('reads back what a plain writer wrote, in chunks of any size', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 5 })
          .chain((width) =>
            fc.array(fc.array(text, { minLength: width, maxLength: width }), { maxLength: 8 }),
          ),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        (rows, newline, quoteAll, size) => {
          const width = rows[0]?.length ?? 1;
          const columns = Array.from({ length: width }, (_, i) => `c${i}`);
          const parser = new CsvParser({ delimiter: ',', newline: 'lf', header: columns });
          const items = parseInChunks(parser, `\ufeff${writeCsv(rows, newline, quoteAll)}`, size);
          expect(items.map((item) => Object.values(item.record as object))).toEqual(rows);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('gives the same for any bytes whatever the chunks, and positions that lead to the record', () => {
    const options = { delimiter: ',', newline: 'lf', header: ['a', 'b'] } as const;
    fc.assert(
      fc.property(soup, fc.integer({ min: 1, max: 9 }), (input, size) => {
        const whole = parseInChunks(new CsvParser(options), input, input.length + 1);
        expect(parseInChunks(new CsvParser(options), input, size)).toEqual(whole);
        for (const [i, item] of whole.entries()) {
          const { byte } = item.position;
          if (byte === 0) continue;
          const startAt = { byte, row: i };
          const rest = parseInChunks(
            new CsvParser({ ...options, startAt }),
            input.subarray(byte),
            size,
          );
          expect(rest).toEqual(whole.slice(i));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['lf', 'cr'] as const)('cuts where the parser sees a record end (%s)', (newline) => {
    const options = { delimiter: ',', newline, header: ['a', 'b'] } as const;
    fc.assert(
      fc.property(
        soup,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 30 }),
        (input, chunkSize, cutSize) => {
          const scan = new CsvBoundaries(44, newline, 0, () => cutSize);
          for (let at = 0; at < input.length; at += chunkSize) {
            scan.push(input.subarray(at, at + chunkSize));
          }
          const whole = parseInChunks(new CsvParser(options), input, input.length + 1);
          const pieced: unknown[] = [];
          let start = 0;
          for (const cut of scan.finish()) {
            const startAt = { byte: start, row: pieced.length };
            const part = parseInChunks(
              new CsvParser({ ...options, startAt }),
              input.subarray(start, cut.end),
              7,
            );
            expect(part).toHaveLength(cut.records);
            pieced.push(...part);
            start = cut.end;
          }
          expect(start).toBe(input.length);
          expect(pieced).toEqual(whole);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

/** The cuts of chunks that lie where the kernel can count their lines. */
function boundariesByKernel(input: Buffer, size: number, cutSize: number) {
  const { bytes } = rawMemory();
  const area = rawMemory().take(size)!;
  const scan = new LineBoundaries(1 << 20, 0, () => cutSize);
  for (let at = 0; at < input.length; at += size) {
    const end = area.start + input.copy(bytes, area.start, at, at + size);
    scan.push(bytes.subarray(area.start, end));
  }
  rawMemory().give(area);
  return scan.finish();
}

describe('NDJSON by property', () => {
  const lines = fc
    .array(
      fc.oneof(
        fc.json(),
        fc.constantFrom('', ' ', '\r', '{"a":1}', '{"a":"\u2028"}', '{', '[1]', '   \t'),
      ),
      { maxLength: 8 },
    )
    .map((all) => Buffer.from(all.join('\n')));

  it('gives the same whatever the chunks, and cuts where a line ends', () => {
    fc.assert(
      fc.property(
        lines,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 300 }),
        (input, size, cutSize) => {
          const whole = parseInChunks(new NdjsonParser(), input, input.length + 1);
          expect(parseInChunks(new NdjsonParser(), input, size)).toEqual(whole);
          const scan = new LineBoundaries(1 << 20, 0, () => cutSize);
          for (let at = 0; at < input.length; at += size) scan.push(input.subarray(at, at + size));
          const cuts = scan.finish();
          expect(boundariesByKernel(input, size * 13, cutSize)).toEqual(cuts);
          const pieced: unknown[] = [];
          let start = 0;
          for (const cut of cuts) {
            const startAt = { byte: start, row: pieced.length };
            const part = parseInChunks(
              new NdjsonParser({ startAt }),
              input.subarray(start, cut.end),
              3,
            );
            expect(part).toHaveLength(cut.records);
            pieced.push(...part);
            start = cut.end;
          }
          expect(pieced).toEqual(whole);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
