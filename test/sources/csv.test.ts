import { describe, expect, it } from 'vitest';
import { RejectedRecord } from '../../src/core/record.ts';
import { type CsvOptions, CsvParser } from '../../src/sources/csv.ts';
import { NdjsonParser } from '../../src/sources/ndjson.ts';
import { CHUNK_SIZES, parseInChunks } from './chunks.ts';

/** Records as they are; a rejected one as its code. */
function outcomes(parser: CsvParser, input: Uint8Array | string, size: number): unknown[] {
  return parseInChunks(parser, input, size).map((item) =>
    item instanceof RejectedRecord ? item.error.code : item.record,
  );
}

/** Read with the dialect found out, which gathers a sample first, and again with it given. */
function read(input: Uint8Array | string, size: number, options: CsvOptions = {}): unknown[] {
  const finding = new CsvParser(options);
  const found = outcomes(finding, input, size);
  const given = new CsvParser({ delimiter: ',', newline: 'lf', ...finding.dialect, ...options });
  expect(outcomes(given, input, size)).toEqual(found);
  return found;
}

const cases: [
  name: string,
  input: string | Uint8Array,
  expected: unknown[],
  options?: CsvOptions,
][] = [
  [
    'LF',
    'a,b\n1,2\n3,4\n',
    [
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ],
  ],
  [
    'CRLF',
    'a,b\r\n1,2\r\n3,4\r\n',
    [
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ],
  ],
  [
    'LF and CRLF mixed',
    'a,b\n1,2\r\n3,4\n',
    [
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ],
  ],
  [
    'only CR',
    'a,b\r1,"x\ry"\r3,4',
    [
      { a: '1', b: 'x\ry' },
      { a: '3', b: '4' },
    ],
  ],
  ['a CR inside a line is data', 'a,b\n1\r2,3\n', [{ a: '1\r2', b: '3' }]],
  ['no final newline', 'a,b\n1,2', [{ a: '1', b: '2' }]],
  ['a final CR', 'a,b\n1,2\r', [{ a: '1', b: '2' }]],
  ['an empty last field at the end', 'a,b\n1,', [{ a: '1', b: '' }]],
  [
    'empty lines',
    '\n\r\na,b\n\n1,2\r\n\r\n\n3,4\n\n',
    [
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ],
  ],
  ['BOM', '\ufeffa,b\n1,2\n', [{ a: '1', b: '2' }]],
  ['BOM and a quoted header', '\ufeff"a","b"\n1,2\n', [{ a: '1', b: '2' }]],
  [
    'quotes',
    'a,b\n"1","x, ""y"""\n"",""""\n',
    [
      { a: '1', b: 'x, "y"' },
      { a: '', b: '"' },
    ],
  ],
  ['newlines in quotes', 'a,b\r\n"1\r\n2","\n"\r\n', [{ a: '1\r\n2', b: '\n' }]],
  ['a quote in an unquoted field', 'a,b\n5" disk,x"y"\n', [{ a: '5" disk', b: 'x"y"' }]],
  ['text behind a closing quote', 'a,b\n"x"y,"p""q"r"s"\n', [{ a: 'xy', b: 'p"qr"s"' }]],
  [
    'a CR behind a closing quote',
    'a,b\n"x"\ry,2\n"x",2\r\n',
    [
      { a: 'x\ry', b: '2' },
      { a: 'x', b: '2' },
    ],
  ],
  ['a quote behind a space', 'a,b\n "x",2\n', [{ a: ' "x"', b: '2' }]],
  ['tabs', 'a\tb\n1,5\t2\n', [{ a: '1,5', b: '2' }]],
  ['semicolons', 'a;b\n1,5;2,5\n', [{ a: '1,5', b: '2,5' }]],
  ['bars', 'a|b\n1|2\n', [{ a: '1', b: '2' }]],
  ['delimiters inside quotes', 'a,b\n"1;2;3","4;5"\n', [{ a: '1;2;3', b: '4;5' }]],
  ['a given delimiter', 'a:b\n1,2:3\n', [{ a: '1,2', b: '3' }], { delimiter: ':' }],
  ['one column', 'a\nx\n""\n', [{ a: 'x' }, { a: '' }]],
  [
    'double names',
    'a,a,a_2,,a\n1,2,3,4,5\n',
    [{ a: '1', a_3: '2', a_2: '3', column_4: '4', a_4: '5' }],
  ],
  [
    'white space around names',
    ' id,text , ,text\n1, 2,3,4\n',
    [{ id: '1', text: ' 2', column_3: '3', text_2: '4' }],
  ],
  [
    'no header',
    '1,2\n3,4\n',
    [
      { column_1: '1', column_2: '2' },
      { column_1: '3', column_2: '4' },
    ],
    { header: false },
  ],
  ['a given header', '1,2\n', [{ x: '1', y: '2' }], { header: ['x', 'y'] }],
  ['ragged rows', 'a,b\n1\n1,2,3\n4,5\n', ['ragged_row', 'ragged_row', { a: '4', b: '5' }]],
  ['NUL', 'a,b\n\0,x\0y\n', [{ a: '\0', b: 'x\0y' }]],
  [
    'scripts',
    'a,é\nжук,日本語🙂\n"ж""","\u2028"\n',
    [
      { a: 'жук', é: '日本語🙂' },
      { a: 'ж"', é: '\u2028' },
    ],
  ],
  ['an open quote', 'a,b\n1,2\n3,"4\n5,6\n', [{ a: '1', b: '2' }, 'unterminated_quote']],
  ['nothing', '', []],
  ['a BOM alone', '\ufeff', []],
  ['a header alone', 'a,b', []],
  ['empty lines alone', '\n\r\n', []],
  [
    'records over the limit',
    `a,b\n1,${'x'.repeat(20)}\n2,"${'y\n"",'.repeat(20)}"\n3,4\n`,
    ['record_too_large', 'record_too_large', { a: '3', b: '4' }],
    { maxRecordBytes: 10 },
  ],
  [
    'records at the limit',
    'a,b\r\n12,"45"\r\n12,"456"\r\n',
    [{ a: '12', b: '45' }, 'record_too_large'],
    { maxRecordBytes: 7 },
  ],
];

describe.each(CHUNK_SIZES)('CSV in chunks of %i', (size) => {
  it.each(cases)('%s', (_name, input, expected, options) => {
    expect(read(input, size, options)).toEqual(expected);
  });

  it('gives positions in the source, the header and BOM counted as bytes but not as rows', () => {
    const input = '\ufeffa,b\r\n\r\n1,2\r\n"ж\n",4\r\nx\r\n5,6';
    const dialect = { delimiter: ',', newline: 'lf' } as const;
    const items = parseInChunks(new CsvParser({ source: 'f.csv', ...dialect }), input, size);
    expect(items.map((item) => [item.position.row, item.position.byte])).toEqual([
      [1, 10],
      [2, 15],
      [3, 24],
      [4, 27],
    ]);
    expect((items[2] as RejectedRecord).error.message).toContain('f.csv, row 3, byte 24');
  });

  it('says where the open quote is', () => {
    const [item] = parseInChunks(new CsvParser(), 'a,b\n1,"x\ny', size);
    expect((item as RejectedRecord).error.message).toMatch(/row 1, byte 4: .*byte 6/);
  });

  it('keeps a column named __proto__ as data', () => {
    const [item] = parseInChunks(new CsvParser(), '__proto__,constructor\nx,y\n', size);
    expect(Object.entries(item!.record as object)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.getPrototypeOf(item!.record)).toBe(Object.prototype);
  });

  it.each([
    ['a byte that never occurs', [0x61, 0x0a, 0xff, 0x0a], 2],
    ['a lonely continuation', [0x61, 0x0a, 0x62, 0x80, 0x0a], 3],
    ['a cut-off sequence', [0x61, 0x0a, 0xd0, 0xb6, 0xe2, 0x82], 4],
    ['a sequence cut by a letter', [0x61, 0x0a, 0xe2, 0x82, 0x61, 0x0a], 2],
    ['a surrogate', [0x61, 0x0a, 0xed, 0xa0, 0x80], 2],
    ['an overlong form', [0x61, 0x0a, 0xc0, 0xaf], 2],
  ])('stops at %s, naming its offset', (_name, bytes, offset) => {
    expect(() => parseInChunks(new CsvParser(), Uint8Array.from(bytes), size)).toThrow(
      expect.objectContaining({
        code: 'invalid_encoding',
        message: expect.stringMatching(new RegExp(`offset ${offset} .*--encoding`)),
      }),
    );
  });
});

describe('CSV boundaries', () => {
  it('can be gone on from after every push', () => {
    const input = Buffer.from('a,b\n1,"2\n3"\n\n4,5\r\n6\n7,"8""\n"\n');
    const whole = parseInChunks(new CsvParser(), input, 64).map((item) => item.position);
    for (let cut = 4; cut < input.length; cut++) {
      const first = new CsvParser({ delimiter: ',', newline: 'lf' });
      const before = first.push(input.subarray(0, cut));
      if (first.columns === null) continue;
      const { byte, row } = first.boundary;
      const second = new CsvParser({
        delimiter: ',',
        newline: 'lf',
        header: ['a', 'b'],
        startAt: { byte, row },
      });
      const after = parseInChunks(second, input.subarray(byte), 3);
      expect([...before, ...after].map((item) => item.position)).toEqual(whole);
    }
  });
});

describe('hostile CSV', () => {
  it('reads a large quoted field in small chunks in linear time and bounded memory', () => {
    const parser = new CsvParser({ delimiter: ',', newline: 'lf', header: ['a'] });
    const chunk = Buffer.from('"" ""x\n');
    parser.push(Buffer.from('"'));
    for (let i = 0; i < 100_000; i++) parser.push(chunk);
    const items = [...parser.push(Buffer.from('"\n')), ...parser.flush()];
    expect(items).toHaveLength(1);
    expect((items[0]!.record as { a: string }).a).toHaveLength(500_000);
  });

  it.each([
    [
      'CSV',
      () =>
        new CsvParser({ header: ['a'], delimiter: ',', newline: 'lf', maxRecordBytes: 1 << 20 }),
      'x',
    ],
    [
      'quoted CSV',
      () =>
        new CsvParser({ header: ['a'], delimiter: ',', newline: 'lf', maxRecordBytes: 1 << 20 }),
      '"',
    ],
    ['NDJSON', () => new NdjsonParser({ maxRecordBytes: 1 << 20 }), '{'],
  ])('holds no more of an endless %s record than its limit', (_name, make, first) => {
    const parser = make();
    const chunk = Buffer.alloc(1 << 18, 0x61);
    parser.push(Buffer.from(first));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200; i++) parser.push(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
    const items = [...parser.push(Buffer.from('"\n')), ...parser.flush()];
    expect(items.map((item) => (item as RejectedRecord).error.code)).toEqual(['record_too_large']);
  });

  it('rejects a row of a million fields and a header of as many is an error', () => {
    const row = `${','.repeat(1_000_000)}\n`;
    const [item] = parseInChunks(new CsvParser({ delimiter: ',' }), `a,b\n${row}`, 65_536);
    expect((item as RejectedRecord).error.message).toContain('1000001 fields');
    expect(() => parseInChunks(new CsvParser({ delimiter: ',' }), row, 65_536)).toThrow(
      expect.objectContaining({ code: 'bad_header' }),
    );
  });

  it('refuses delimiters that cannot work', () => {
    for (const delimiter of ['', '"', '\n', '||', 'é']) {
      expect(() => new CsvParser({ delimiter })).toThrow(
        expect.objectContaining({ code: 'usage' }),
      );
    }
  });
});

it('takes the doubled quotes of long fields back, in little more memory than they have', () => {
  const texts = ['"', '""', 'é"', '"x', `"\n😀"`].map((text) => text.repeat(300_000));
  const rows = texts.map((text) => `"${text.replace(/"/g, '""')}","a ""b"""tail\n`);
  const before = process.memoryUsage().heapUsed;
  const parser = new CsvParser<{ a: string; b: string }>();
  const found = [...parser.push(Buffer.from(`a,b\n${rows.join('')}`)), ...parser.flush()];
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60e6);
  const records = found.map((item) => item.record as { a: string; b: string });
  expect(records.map(({ a }, i) => a === texts[i])).toEqual(texts.map(() => true));
  expect(records.map(({ b }) => b)).toEqual(texts.map(() => 'a "b"tail'));
});
