import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CountedItem } from '../../src/core/request.ts';
import { LINE_HEADROOM_BYTES } from '../../src/shards/limits.ts';
import { hashFile, readShard } from '../../src/shards/reader.ts';
import { collect, filesOf, rejected, request, seal, temporaryDirectory } from './helpers.ts';

test('two lines for each request, the rejected aside, in one sealed shard', async () => {
  const directory = await temporaryDirectory();
  const items = [request(0, 'one'), rejected(1), request(2, 'zwölf "x"\n', { id: 'own,"id' })];
  const run = await seal(directory, items, { firstOrdinal: 7 });
  const files = await filesOf(directory);
  expect(files['p0000-0000.requests.jsonl']).toBe(
    '{"custom_id":"job-7","method":"POST","url":"/chat/completions","body":{"model":"gpt-4o-batch","messages":[{"role":"user","content":"one"}]}}\n' +
      '{"custom_id":"own,\\"id","method":"POST","url":"/chat/completions","body":{"model":"gpt-4o-batch","messages":[{"role":"user","content":"zwölf \\"x\\"\\n"}]}}\n',
  );
  expect(files['p0000-0000.records.ndjson']).toBe(
    '{"ordinal":7,"record":{"text":"one"}}\n{"ordinal":9,"record":{"text":"zwölf \\"x\\"\\n"}}\n',
  );
  expect(JSON.parse(files['p0000.rejected.partial'] ?? '')).toEqual({
    ordinal: 8,
    custom_id: null,
    status: 'rejected',
    record: ['a'],
    response: null,
    error: { code: 'ragged_row', message: 'one field' },
    attempts: [],
  });
  const requests = join(directory, 'shards/p0000-0000.requests.jsonl');
  const { size, mode } = await stat(requests);
  expect(mode & 0o777).toBe(0o600);
  expect(run.shards).toEqual([
    {
      name: 'p0000-0000',
      partition: 'p0000',
      requests: 2,
      bytes: size,
      tokens: 2,
      sha256: await hashFile(requests),
      firstOrdinal: 7,
      lastOrdinal: 9,
    },
  ]);
  expect(run.progress).toMatchObject({
    ...{ shards: 1, records: 3, requests: 2, rejected: 1, bytes: size, tokens: 2 },
    ...{ resumeAt: 30, row: 3 },
    rejectedBytes: Buffer.byteLength(files['p0000.rejected.partial'] ?? ''),
  });
  const lines = await collect(readShard(directory, 'p0000-0000'));
  expect(lines.map((line) => [line.customId, line.ordinal, line.record.toString()])).toEqual([
    ['job-7', 7, '{"text":"one"}'],
    ['own,"id', 9, '{"text":"zwölf \\"x\\"\\n"}'],
  ]);
});

const anyItem = fc
  .record({
    text: fc.string({ unit: 'grapheme', maxLength: 200 }),
    tokens: fc.integer({ min: 0, max: 40 }),
    bad: fc.integer({ min: 0, max: 9 }),
    id: fc.option(fc.constantFrom('a', 'b', 'c', 'job-3', 'job-1'), { nil: null, freq: 3 }),
  })
  .map(({ text, tokens, bad, id }) => ({ text, tokens, bad: bad === 0, id }));

const anyItems: fc.Arbitrary<CountedItem<unknown>[]> = fc
  .array(anyItem, { maxLength: 40 })
  .map((list) =>
    list.map(({ text, tokens, bad, id }, row) =>
      bad ? rejected(row, id) : request(row, text, { id, tokens }),
    ),
  );
const anyLimits = fc.record({
  maxRequests: fc.integer({ min: 1, max: 12 }),
  maxBytes: fc.integer({ min: 400, max: 4000 }),
  maxTokens: fc.integer({ min: 1, max: 200 }),
});

test('no shard passes a limit, no record is lost, no id meets itself', async () => {
  await fc.assert(
    fc.asyncProperty(anyItems, anyLimits, async (items, limits) => {
      const directory = await temporaryDirectory();
      const { shards, progress } = await seal(directory, items, { limits });
      const ordinals: number[] = [];
      for (const shard of shards) {
        expect(shard.requests).toBeGreaterThan(0);
        expect(shard.requests).toBeLessThanOrEqual(limits.maxRequests);
        expect(shard.tokens).toBeLessThanOrEqual(limits.maxTokens);
        const counted = shard.bytes + shard.requests * LINE_HEADROOM_BYTES;
        expect(counted).toBeLessThanOrEqual(limits.maxBytes);
        const lines = await collect(readShard(directory, shard.name));
        expect(lines.length).toBe(shard.requests);
        expect(new Set(lines.map((line) => line.customId)).size).toBe(lines.length);
        expect([lines[0]?.ordinal, lines.at(-1)?.ordinal]).toEqual([
          shard.firstOrdinal,
          shard.lastOrdinal,
        ]);
        ordinals.push(...lines.map((line) => line.ordinal));
      }
      const text = (await filesOf(directory))['p0000.rejected.partial'] ?? '';
      const rows = text.split('\n').slice(0, -1);
      ordinals.push(...rows.map((row) => JSON.parse(row).ordinal));
      expect(ordinals.sort((a, b) => a - b)).toEqual(items.map((_, index) => index));
      expect(progress.records).toBe(items.length);
      expect(progress.rejected).toBe(rows.length);
    }),
    { numRuns: 60 },
  );
});

test('a restart at any seal, by offset or from the start, makes the same files', async () => {
  await fc.assert(
    fc.asyncProperty(anyItems, anyLimits, async (items, limits) => {
      const whole = await temporaryDirectory();
      const undisturbed = await seal(whole, items, { limits });
      const files = await filesOf(whole);
      for (const [index, progress] of undisturbed.seals.entries()) {
        for (const verify of [false, true]) {
          const directory = await temporaryDirectory();
          // Dies when it is about to remember the next seal: its files are there, its row is not.
          let seals = 0;
          const onSeal = async () => {
            if (seals++ > index) throw new Error('killed');
          };
          await seal(directory, items, { limits, onSeal }).catch(() => undefined);
          const again = await seal(directory, items, { limits, progress, verify });
          expect(await filesOf(directory)).toEqual(files);
          expect(again.progress).toEqual(undisturbed.progress);
          expect(again.shards).toEqual(undisturbed.shards.slice(progress.shards));
        }
      }
    }),
    { numRuns: 15 },
  );
});

test('a source that is supplied again is known by its hash', async () => {
  const items = Array.from({ length: 25 }, (_, row) => request(row, `text ${row}`));
  const limits = { maxRequests: 10, maxBytes: 1e6, maxTokens: 1e6 };
  const directory = await temporaryDirectory();
  const { seals } = await seal(directory, items, { limits });
  const progress = seals[1]!;
  const changed = items.with(3, request(3, 'next 3'));
  const again = { limits, progress, verify: true };
  await expect(seal(directory, changed, again)).rejects.toMatchObject({ code: 'source_changed' });
  const dropped = items.with(3, rejected(3) as never);
  await expect(seal(directory, dropped, again)).rejects.toMatchObject({ code: 'source_changed' });
  const short = seal(directory, items.slice(0, 19), again);
  await expect(short).rejects.toThrow(/ended after 19 records/);
  const later = items.with(23, request(23, 'not sealed yet'));
  await expect(seal(directory, later, again)).resolves.toMatchObject({ progress: { records: 25 } });
});

test('an id may come again in another shard, and is refused in its own', async () => {
  const directory = await temporaryDirectory();
  const items = [0, 1, 2, 3].map((row) => request(row, 'x', { id: row === 2 ? 'b' : 'a' }));
  const limits = { maxRequests: 2, maxBytes: 1e6, maxTokens: 1e6 };
  const run = await seal(directory, items, { limits });
  expect(run.shards.map((shard) => shard.requests)).toEqual([1 + 1, 1]);
  const row = JSON.parse((await filesOf(directory))['p0000.rejected.partial'] ?? '');
  expect(row).toMatchObject({
    ordinal: 1,
    custom_id: 'a',
    error: { code: 'duplicate_custom_id' },
  });
  expect(row.error.message).toContain('records.ndjson, row 2, byte 10');
});

test('an id of the user that was made for an earlier record is refused', async () => {
  const directory = await temporaryDirectory();
  const items = [request(0, 'x'), rejected(1), request(2, 'y', { id: 'job-0' })];
  const run = await seal(directory, [...items, request(3, 'z', { id: 'job-9' })]);
  expect(run.progress).toMatchObject({ requests: 2, rejected: 2 });
});

test('a request that no shard can hold is a rejected row', async () => {
  const directory = await temporaryDirectory();
  const items = [request(0, 'x'.repeat(2000)), request(1, 'y', { tokens: 51 }), request(2, 'z')];
  const limits = { maxRequests: 10, maxBytes: 1000, maxTokens: 50 };
  const run = await seal(directory, items, { limits });
  expect(run.progress).toMatchObject({ requests: 1, rejected: 2 });
  const text = (await filesOf(directory))['p0000.rejected.partial'] ?? '';
  expect(text.match(/"code":"[a-z_]+"/g)).toEqual([
    '"code":"request_too_large"',
    '"code":"request_too_large"',
  ]);
});

test('lines larger than a block, and a model that is not first, are sealed right', async () => {
  const directory = await temporaryDirectory();
  const big = request(0, 'é'.repeat(400_000));
  const messages = big.body.messages;
  const moved = Object.assign(request(1, 'y'), { body: { messages, model: 'gpt-4o-batch' } });
  const limits = { maxRequests: 10, maxBytes: 9e6, maxTokens: 50 };
  const { shards } = await seal(directory, [big, moved, request(2, 'z')], { limits });
  const lines = await collect(readShard(directory, 'p0000-0000'));
  expect(lines.map((line) => JSON.parse(line.request.toString()).body.messages[0].content)).toEqual(
    ['é'.repeat(400_000), 'é'.repeat(400_000), 'z'],
  );
  expect(lines[1]?.request.toString('utf8', 0, 110)).toContain('"body":{"model":"gpt-4o-batch",');
  const path = join(directory, 'shards/p0000-0000.requests.jsonl');
  expect(shards[0]).toMatchObject({
    bytes: (await stat(path)).size,
    sha256: await hashFile(path),
  });
});

test('strict stops at the first rejected record and leaves nothing of the open shard', async () => {
  const directory = await temporaryDirectory();
  const run = seal(directory, [request(0, 'x'), rejected(1)], { strict: true });
  await expect(run).rejects.toMatchObject({ code: 'ragged_row' });
  expect(Object.keys(await filesOf(directory))).toEqual([]);
});

test('requests for another endpoint or model than the job cannot share its files', async () => {
  const directory = await temporaryDirectory();
  const other = Object.assign(request(1, 'y'), { endpoint: '/responses' });
  const model = Object.assign(request(2, 'y'), { body: { model: 'other', messages: [] } });
  const run = await seal(directory, [request(0, 'x'), other, model]);
  expect(run.progress).toMatchObject({ requests: 1, rejected: 2 });
  const text = (await filesOf(directory))['p0000.rejected.partial'] ?? '';
  expect(text.match(/url_mismatch|model_mismatch/g)).toEqual(['url_mismatch', 'model_mismatch']);
});
