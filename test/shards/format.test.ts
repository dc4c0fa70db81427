import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  lineHead,
  readCustomId,
  readRecordLine,
  recordLine,
  requestLine,
} from '../../src/shards/format.ts';
import { readHead } from '../../src/shards/head.ts';
import { splicedLength, spliceHead } from '../../src/shards/splice.ts';
import { chunks, temporaryDirectory } from './helpers.ts';

const anyId = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.constantFrom('a\\', 'a\\"', ',"method":"POST"', 'x,', '\\\\', '{"model":"m"', '"'),
);
const attempts = [{ batch: 'batch_1', code: 'http_500', at: '2026-11-22T00:00:00.000Z' }];

test('a record line gives back its parts, whatever the record holds', () => {
  const tricky = [
    [],
    [1],
    { attempts: [1] },
    [{ a: 1, attempts: [] }],
    ',"attempts":[]',
    'x","attempts":[1]',
  ];
  const anyRecord = fc.oneof(fc.jsonValue(), fc.constantFrom(...tricky));
  fc.assert(
    fc.property(anyRecord, fc.nat(), fc.boolean(), (record, ordinal, tried) => {
      const json = JSON.stringify(record);
      const line = Buffer.from(recordLine(ordinal, json, tried ? attempts : []));
      const parts = readRecordLine(line);
      expect(parts?.ordinal).toBe(ordinal);
      expect(parts?.record.toString()).toBe(json);
      expect(parts?.attempts).toEqual(tried ? attempts : []);
    }),
  );
});

test.each(['', '{}', '{"ordinal":,"record":1}', '{"ordinal":1,"record":2', '{"ordinal":1}'])(
  'what is no record line is refused: %s',
  (line) => {
    expect(readRecordLine(Buffer.from(line))).toBeUndefined();
  },
);

test('a custom_id is read by place', () => {
  fc.assert(
    fc.property(anyId, (id) => {
      const line = Buffer.from(requestLine(id, '/responses', '{"model":"m"}'));
      expect(readCustomId(line)).toBe(JSON.parse(line.toString()).custom_id);
    }),
  );
  expect(readCustomId(Buffer.from('{"custom_id":1}'))).toBeUndefined();
  expect(readCustomId(Buffer.from('{"custom_id":"a'))).toBeUndefined();
});

test.each([1, 2, 3, 5, 64 * 1024])('the head is spliced in chunks of %i bytes', async (size) => {
  const from = lineHead('/chat/completions', 'gpt-4o "batch"');
  const to = lineHead('/chat/completions', 'a-much-longer-name-é', '/v1');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyId, fc.jsonValue()), { maxLength: 6 }), async (rows) => {
      const write = (model: string) =>
        rows
          .map(([id, content]) => {
            // A record's text that looks like a head must stay as it is.
            const body = JSON.stringify({ model, content, decoy: from.toString() });
            return `${requestLine(id, '/chat/completions', body)}\n`;
          })
          .join('');
      const source = Buffer.from(write('gpt-4o "batch"'));
      const want = write('a-much-longer-name-é').replaceAll('"url":"/chat', '"url":"/v1/chat');
      const parts: Uint8Array[] = [];
      for await (const part of spliceHead(chunks(source, size), from, to)) parts.push(part);
      const out = Buffer.concat(parts);
      expect(out.toString()).toBe(want);
      expect(out.length).toBe(splicedLength(source.length, rows.length, from, to));
    }),
    { numRuns: size < 6 ? 25 : 100 },
  );
});

test('a line with another head stops the upload and says which', async () => {
  const from = lineHead('/responses', 'm');
  const lines = [
    requestLine('a', '/responses', '{"model":"m"}'),
    requestLine('b', '/responses', '{"model":"n"}'),
  ];
  const drain = async (text: string) => {
    for await (const _ of spliceHead(
      chunks(Buffer.from(text), 7),
      from,
      lineHead('/responses', 'x'),
    ));
  };
  await expect(drain(`${lines.join('\n')}\n`)).rejects.toThrow(/line 2/);
  await expect(drain(lines[0]!.slice(0, 30))).rejects.toMatchObject({ code: 'corrupt_shard' });
});

test('the head of a file is found in its first line', async () => {
  const path = join(await temporaryDirectory(), 'a.jsonl');
  await writeFile(
    path,
    `${requestLine('a"b', '/embeddings', '{"model":"m \\"x\\"","input":"y"}')}\n`,
  );
  await expect(readHead(path)).resolves.toEqual({ endpoint: '/embeddings', model: 'm "x"' });
  await writeFile(path, '{"custom_id":"a","body":{}}\n');
  await expect(readHead(path)).rejects.toMatchObject({ code: 'corrupt_shard' });
});
