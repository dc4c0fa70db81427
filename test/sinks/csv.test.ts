import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { createSink, type SinkOptions } from '../../src/sinks/create-sink.ts';
import { Folder, failedRow, okRow } from './helpers.ts';

async function csvOf(
  rows: readonly ResultRow[],
  options: SinkOptions = {},
  name = 'o.csv',
): Promise<string> {
  using folder = new Folder();
  const sink = createSink(folder.file(name), options);
  for (const row of rows) await sink.write(row);
  await sink.close();
  return readFileSync(folder.file(name), 'utf8');
}

/** RFC 4180 read letter by letter: slow, and not by the rules of the writer. */
function parseCsv(text: string, delimiter = ','): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text.charAt(at);
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[at + 1] === '"') field += text.charAt(++at);
      else quoted = false;
    } else if (letter === '"' && field === '') {
      quoted = true;
    } else if (letter === delimiter) {
      row.push(field);
      field = '';
    } else if (letter === '\r' && text[at + 1] === '\n') {
      at++;
      rows.push([...row, field]);
      row = [];
      field = '';
    } else {
      field += letter;
    }
  }
  return rows;
}

const ANSWER = [
  'content',
  'finish_reason',
  'status',
  'error',
  'prompt_tokens',
  'completion_tokens',
];

describe('CSV', () => {
  test('writes the columns, then the answer', async () => {
    const rows = [
      okRow(0, { id: '1', text: 'a "b"\r\nc, d' }),
      failedRow(1, { id: '2', text: '' }),
    ];
    expect(await csvOf(rows, { columns: ['id', 'text'] })).toBe(
      [
        'id,text,content,finish_reason,status,error,prompt_tokens,completion_tokens',
        '1,"a ""b""\r\nc, d",answer 0,stop,ok,,10,2',
        '2,,,,failed,batch_expired: too late,,',
        '',
      ].join('\r\n'),
    );
  });

  test.each([
    ['o.csv', ','],
    ['o.tsv', '\t'],
  ])('any text comes back from %s', async (name, delimiter) => {
    const cell = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[",\r\n\t;'=+@ -]{0,6}$/),
      fc.string({ unit: 'grapheme' }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell, cell), { maxLength: 20 }), async (table) => {
        const rows = table.map(([a, b, c], n) => okRow(n, { a, 'b,"\t': b }, c));
        const text = await csvOf(rows, { columns: ['a', 'b,"\t'] }, name);
        expect(parseCsv(text, delimiter)).toEqual([
          ['a', 'b,"\t', ...ANSWER],
          ...table.map(([a, b, c]) => [a, b, c, 'stop', 'ok', '', '10', '2']),
        ]);
      }),
      { numRuns: 60 },
    );
  });

  test('finds the columns in the first 1,000 rows and reports what comes later', async () => {
    const rows = Array.from({ length: 1100 }, (_, n) =>
      okRow(n, n === 500 ? { a: n, b: true } : n < 1000 ? { a: n } : { a: n, late: 1, b: null }),
    );
    const warnings: string[] = [];
    const table = parseCsv(await csvOf(rows, { onWarning: (words) => warnings.push(words) }));
    expect(table[0]).toEqual(['a', 'b', ...ANSWER]);
    expect(table.length).toBe(1101);
    expect(table[501]?.slice(0, 2)).toEqual(['500', 'true']);
    expect(table[1100]?.slice(0, 2)).toEqual(['1099', '']);
    expect(warnings).toEqual([
      expect.stringMatching(/^100 values of 1 fields without a column were left out \(late\)/),
    ]);
  });

  test('prefixes an answer column that the source has, until it is free', async () => {
    const columns = ['status', 'error', 'answer_error'];
    const [header, row] = parseCsv(await csvOf([okRow(0, { status: 'mine' })], { columns }));
    expect(header).toEqual([
      ...columns,
      'content',
      'finish_reason',
      'answer_status',
      'answer_answer_error',
      'prompt_tokens',
      'completion_tokens',
    ]);
    expect(row?.slice(0, 1)).toEqual(['mine']);
  });

  test('writes values that are not text as JSON, and no inherited ones', async () => {
    const record = { a: [1, { b: 'x' }], n: -1.5, t: true, z: null };
    const columns = ['a', 'n', 't', 'z', 'constructor', '__proto__'];
    const [, row] = parseCsv(await csvOf([okRow(0, record)], { columns }));
    expect(row?.slice(0, 6)).toEqual(['[1,{"b":"x"}]', '-1.5', 'true', '', '', '']);
  });

  test('takes records that are no objects', async () => {
    const table = parseCsv(await csvOf([okRow(0, 'text'), okRow(1, [1]), failedRow(2, null)]));
    expect(table.map((row) => row[0])).toEqual(['record', 'text', '[1]', '']);
  });

  test('puts the fields of a ragged row under the columns by place', async () => {
    const reject = (ordinal: number, record: unknown): ResultRow => ({
      ...failedRow(ordinal, record),
      custom_id: null,
      status: 'rejected',
      error: { code: 'ragged_row', message: 'row 7' },
    });
    const rows = [
      reject(0, ['1', '2', '3', 'over']),
      reject(1, ['1']),
      reject(2, null),
      reject(3, 'excerpt'),
      reject(4, { b: 'x', other: 'y' }),
    ];
    const warnings: string[] = [];
    const onWarning = (words: string) => void warnings.push(words);
    const table = parseCsv(await csvOf(rows, { columns: ['a', 'b', 'c'], onWarning }));
    expect(table.slice(1).map((row) => row.slice(0, 3))).toEqual([
      ['1', '2', '3'],
      ['1', '', ''],
      ['', '', ''],
      ['', '', ''],
      ['', 'x', ''],
    ]);
    expect(table[1]?.slice(3)).toEqual(['', '', 'rejected', 'ragged_row: row 7', '', '']);
    expect(warnings).toEqual([]);
    const [header] = parseCsv(await csvOf([...rows, okRow(5, { z: 1 })]));
    expect(header).toEqual(['z', ...ANSWER]);
  });

  test('leaves formulas as they are', async () => {
    const [, row] = parseCsv(await csvOf([okRow(0, { a: '=1+1' }, '@x')], { columns: ['a'] }));
    expect(row?.slice(0, 2)).toEqual(['=1+1', '@x']);
  });

  test('writes a header when there are no rows and the columns are known', async () => {
    expect(await csvOf([], { columns: ['a'] })).toBe(`a,${ANSWER.join(',')}\r\n`);
  });
});
