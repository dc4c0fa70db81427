import { describe, expect, it } from 'vitest';
import { RejectedRecord } from '../../src/core/record.ts';
import { BatchFileParser } from '../../src/sources/batch-file.ts';
import { NdjsonParser } from '../../src/sources/ndjson.ts';
import { CHUNK_SIZES, parseInChunks } from './chunks.ts';

describe.each(CHUNK_SIZES)('NDJSON in chunks of %i', (size) => {
  it('gives an object a line, and rejects what is none', () => {
    const input =
      '\ufeff{"a":"ж\u2028"}\r\n\n  \t\r\n{"a":\n[1]\nnull\n"x"\n7\n {"__proto__":{"x":1}} \n{"a":2}';
    const items = parseInChunks(new NdjsonParser(), input, size);
    expect(items.map((i) => (i instanceof RejectedRecord ? i.error.code : i.record))).toEqual([
      { a: 'ж\u2028' },
      'invalid_json',
      'not_an_object',
      'not_an_object',
      'not_an_object',
      'not_an_object',
      JSON.parse('{"__proto__":{"x":1}}'),
      { a: 2 },
    ]);
    expect(items.map((i) => i.position.row)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const bytes = Buffer.from(input);
    expect(items.map((i) => i.position.byte).slice(0, 3)).toEqual([
      3,
      bytes.indexOf('{"a":\n'),
      bytes.indexOf('[1]'),
    ]);
    expect(items[7]?.position.byte).toBe(bytes.length - 7);
  });

  it('rejects a line over the limit and goes on behind it', () => {
    const input = `{"a":1}\r\n{"a":"${'x'.repeat(50)}"}\n{"a":12}\n{"a":"y"}`;
    const items = parseInChunks(new NdjsonParser({ maxRecordBytes: 8 }), input, size);
    expect(items.map((i) => (i instanceof RejectedRecord ? i.error.code : i.record))).toEqual([
      { a: 1 },
      'record_too_large',
      { a: 12 },
      'record_too_large',
    ]);
    expect(items.map((i) => i.position.byte)).toEqual([0, 9, 68, 77]);
  });

  it('does not repeat the text of a bad line', () => {
    const [item] = parseInChunks(new NdjsonParser(), '{"secret": hunter2}\n', size);
    expect(JSON.stringify(item)).not.toContain('hunter2');
  });

  it('rejects nesting that would overflow the stack later', () => {
    const deep = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const [item] = parseInChunks(new NdjsonParser(), deep, 65_536 + size);
    expect((item as RejectedRecord).error.code).toBe('too_deep');
  });

  it('stops at bytes that are not UTF-8', () => {
    expect(() => parseInChunks(new NdjsonParser(), Uint8Array.from([0x7b, 0xff]), size)).toThrow(
      expect.objectContaining({ code: 'invalid_encoding' }),
    );
  });

  it('reads a request file, and rejects lines that are no request', () => {
    const good = { custom_id: 'a', method: 'POST', url: '/chat/completions', body: { model: 'm' } };
    const lines = [
      good,
      { ...good, custom_id: '' },
      { ...good, method: 'GET' },
      { ...good, url: 1 },
      { ...good, body: [] },
    ];
    const input = lines.map((line) => JSON.stringify(line)).join('\n');
    const items = parseInChunks(new BatchFileParser(), input, size);
    expect(items[0]?.record).toEqual(good);
    expect(items.slice(1).map((i) => (i instanceof RejectedRecord ? i.error.code : null))).toEqual(
      Array(4).fill('invalid_batch_line'),
    );
    expect(items.map((i) => (i instanceof RejectedRecord ? i.customId : ''))).toEqual([
      '',
      null,
      'a',
      'a',
      'a',
    ]);
  });
});

it('refuses a limit of records that no text can hold', () => {
  expect(() => new NdjsonParser({ maxRecordBytes: 300 * 2 ** 20 })).toThrow(/256MiB\) at most/);
});
