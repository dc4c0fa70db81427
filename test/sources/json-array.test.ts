import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SourceItem } from '../../src/core/record.ts';
import { type JsonOptions, parseJson, parseTokens } from '../../src/sources/json.ts';
import { CHUNK_SIZES } from './chunks.ts';

// The fast way of a document that is one array is held to the tokens of stream-json: the same items in
// the same places, and the same errors.

type Parse = typeof parseJson;

async function outcome(parse: Parse, text: string, size: number, options: JsonOptions) {
  const bytes = Buffer.from(text);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  const items: SourceItem<unknown>[] = [];
  try {
    for await (const item of parse(options)(Readable.from(chunks))) items.push(item);
    return { items, error: null };
  } catch (error) {
    return { items, error: String(error) };
  }
}

async function same(text: string, size: number, options: JsonOptions = {}) {
  const fast = await outcome(parseJson, text, size, options);
  expect(fast).toEqual(await outcome(parseTokens, text, size, options));
  return fast;
}

const element = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue());

it('gives what the tokens give, whatever the elements, blanks and chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(element, { maxLength: 6 }),
      fc.constantFrom(undefined, 1, '\t', '\r\n  '),
      fc.constantFrom(1, 2, 3, 5, 17, 1000),
      async (rows, indent, size) => {
        const { error } = await same(`${JSON.stringify(rows, null, indent)}\n`, size);
        expect(error).toBeNull();
      },
    ),
    { numRuns: 200 },
  );
});

it('gives what the tokens give of an array at a path, whatever is around it', async () => {
  const around = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('[', '{"a":[', '\\"[', [[]], { b: [{}] }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(element, { maxLength: 4 }),
      around,
      around,
      fc.constantFrom(undefined, 1, '\r\n  '),
      fc.constantFrom(1, 2, 3, 5, 17, 1000),
      fc.boolean(),
      async (rows, before, behind, indent, size, cut) => {
        const document = { before, a: { before, rows, behind, a: { rows: [] } }, behind };
        const text = JSON.stringify(document, null, indent);
        const { items, error } = await same(text, size, { path: 'a.rows' });
        expect(error).toBeNull();
        expect(items).toHaveLength(rows.length);
        if (cut) {
          const broken = await outcome(parseJson, text.slice(0, -1), size, { path: 'a.rows' });
          expect(broken.error).toContain('not valid JSON');
        }
      },
    ),
    { numRuns: 200 },
  );
});

it.each([
  '{"rows":[{}]',
  '{"rows":[{}]]',
  '{"rows":[{}],}',
  '{"x":tru,"rows":[{}]}',
  '{"rows":[{},]}',
  '{"rows":[{}]} x',
  '{"rows":[{}',
  '{"rows":[[}',
  '\ufeff{"rows":[{}]}x',
])('finds %j broken at a path', async (text) => {
  for (const size of CHUNK_SIZES) {
    const { error } = await outcome(parseJson, text, size, { path: 'rows' });
    expect(error).toContain('not valid JSON');
    const slow = await outcome(parseTokens, text, size, { path: 'rows' });
    expect(slow.error).not.toBeNull();
  }
});

const BROKEN = [
  '[',
  '[{}',
  '[{},',
  '[{},]',
  '[,{}]',
  '[{}{}]',
  '[{}]x',
  '[{}] []',
  '[{"a":1]',
  '[{"a":tru}]',
  '[{"a":1}, hunter2]',
  '[}',
  '["open',
  '[{"a":"\u0001"}]',
  '[1 2]',
  '[{"a":"\\q"}]',
];

it.each(BROKEN)('finds %j broken', async (text) => {
  for (const size of CHUNK_SIZES) {
    const { items, error } = await outcome(parseJson, text, size, {});
    expect(error).toContain('not valid JSON');
    const slow = await outcome(parseTokens, text, size, {});
    // The tokens may give an element up before they see what follows it.
    expect(slow.error).not.toBeNull();
    expect(items.length).toBeLessThanOrEqual(slow.items.length + 1);
  }
});

it.each(CHUNK_SIZES)('passes over what is too large or too deep, in chunks of %i', async (size) => {
  const deep = `{"d":${'['.repeat(1100)}${']'.repeat(1100)}}`;
  const large = JSON.stringify({ a: '\\"]}'.repeat(400), b: [{ c: '\\\\' }] });
  const text = `\ufeff [ {"n":1},${large} ,${deep},"${'s'.repeat(3000)}", 1, {"n":2}]`;
  const { items, error } = await outcome(parseJson, text, size, { maxRecordBytes: 2300 });
  expect(error).toBeNull();
  expect(items.map((item) => ('error' in item ? item.error.code : item.record))).toEqual([
    { n: 1 },
    'record_too_large',
    'too_deep',
    'record_too_large',
    'not_an_object',
    { n: 2 },
  ]);
});
