import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RejectedRecord, type SourceItem } from '../../src/core/record.ts';
import { type JsonOptions, parseJson } from '../../src/sources/json.ts';
import { CHUNK_SIZES } from './chunks.ts';

async function read(text: string, size: number, options: JsonOptions = {}) {
  const bytes = Buffer.from(text);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  const items: SourceItem<unknown>[] = [];
  for await (const item of parseJson(options)(Readable.from(chunks))) items.push(item);
  return items.map((i) => (i instanceof RejectedRecord ? i.error.code : i.record));
}

const code = (value: string) => expect.objectContaining({ code: value });

describe.each(CHUNK_SIZES)('JSON in chunks of %i', (size) => {
  const rows = [
    { a: 'ж"\\\n🙂', b: [1, -2.5e3, true, null, { c: [] }], '': {} },
    { a: 'x'.repeat(100) },
  ];

  it('reads a top-level array', async () => {
    expect(await read(`\ufeff ${JSON.stringify(rows, null, 2)}\n`, size)).toEqual(rows);
  });

  it('reads the array at a path, and no other of that name', async () => {
    const text = JSON.stringify({
      rows: [{ no: 1 }],
      x: { data: { rows: [{ no: 2 }] } },
      data: { other: { rows: [{ no: 3 }] }, meta: null, rows },
      data2: { rows: [{ no: 4 }] },
    });
    expect(await read(text, size, { path: 'data.rows' })).toEqual(rows);
  });

  it('rejects elements that are no objects or too large, and goes on', async () => {
    const text = JSON.stringify([1, 'x', [2], null, { a: 'y'.repeat(500) }, { a: 1 }]);
    expect(await read(text, size, { maxRecordBytes: 100 })).toEqual([
      'not_an_object',
      'not_an_object',
      'not_an_object',
      'not_an_object',
      'record_too_large',
      { a: 1 },
    ]);
  });

  it('says what is wrong with the document', async () => {
    await expect(read('{"a":1}', size)).rejects.toThrow(code('no_json_array'));
    await expect(read('7', size)).rejects.toThrow(code('no_json_array'));
    await expect(read('{"a":{}}', size, { path: 'a.b' })).rejects.toThrow(code('no_json_array'));
    await expect(read('{"a":{"b":"x"}}', size, { path: 'a.b' })).rejects.toThrow(
      code('no_json_array'),
    );
    await expect(read('[{"a":1},', size)).rejects.toThrow(code('bad_json'));
    await expect(read('[{"a":hunter2}]', size)).rejects.toThrow(/behind row 0/);
  });

  it('keeps __proto__ as data', async () => {
    const [record] = await read('[{"__proto__":{"x":1}}]', size);
    expect(Object.keys(record as object)).toEqual(['__proto__']);
  });
});

describe('JSON', () => {
  it('agrees with JSON.parse on any objects', async () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(
        fc.array(object, { maxLength: 4 }),
        fc.integer({ min: 1, max: 50 }),
        async (rows, size) => {
          const text = JSON.stringify({ a: { b: rows } });
          expect(await read(text, size, { path: 'a.b' })).toEqual(JSON.parse(text).a.b);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('rejects nesting that would overflow the stack later, and goes on', async () => {
    const deep = `[{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}},{"b":{"c":[1]}}]`;
    expect(await read(deep, 65_536)).toEqual(['too_deep', { b: { c: [1] } }]);
  });

  it('throws at the first rejected element when it is strict', async () => {
    await expect(read('[{"a":1},2]', 100, { strict: true })).rejects.toThrow(code('not_an_object'));
  });
});
