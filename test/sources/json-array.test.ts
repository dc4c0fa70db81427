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
