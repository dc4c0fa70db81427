import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SourceRecord } from '../../src/core/record.ts';
import { CsvParser } from '../../src/sources/csv.ts';
import { CHUNK_SIZES, parseInChunks } from './chunks.ts';

const root = dirname(createRequire(import.meta.url).resolve('csv-spectrum/package.json'));
// `location_coordinates` is left out: its published JSON does not agree with its CSV.
const names = [
  'comma_in_quotes',
  'empty',
  'empty_crlf',
  'escaped_quotes',
  'json',
  'newlines',
  'newlines_crlf',
  'quotes_and_newlines',
  'simple',
  'simple_crlf',
  'utf8',
];

describe('csv-spectrum', () => {
  for (const name of names) {
    const csv = readFileSync(join(root, 'csvs', `${name}.csv`));
    const json = readFileSync(join(root, 'json', `${name}.json`), 'utf8');
    const expected = [JSON.parse(json)].flat();
    it.each(CHUNK_SIZES)(`${name} in chunks of %i`, (size) => {
      const items = parseInChunks(new CsvParser({ delimiter: ',', newline: 'lf' }), csv, size);
      expect(items.every((item) => item instanceof SourceRecord)).toBe(true);
      expect(items.map((item) => item.record)).toEqual(expected);
    });
  }
});
