import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SealedShard } from '../../src/core/job.ts';
import { recordLine } from '../../src/shards/format.ts';
import { resolveLimits, UNLIMITED_TOKENS } from '../../src/shards/limits.ts';
import { shardPaths } from '../../src/shards/paths.ts';
import { hashFile, readShard } from '../../src/shards/reader.ts';
import { halveShard, regroupLeftovers } from '../../src/shards/retry.ts';
import { collect, filesOf, request, seal, temporaryDirectory } from './helpers.ts';

/** Counts as many tokens as the message has characters. */
const counter = {
  countRequest: (_: string, body: { [key: string]: unknown }) =>
    (body.messages as { content: string }[])[0]?.content.length ?? 0,
};
const attempts = [{ batch: 'batch_1', code: 'missing', at: '2026-11-22T00:00:00.000Z' }];
const wide = { maxRequests: 100, maxBytes: 1e6, maxTokens: 1e6 };

/** A shard all of whose rows are left over, as a join leaves them. */
async function leftover(directory: string, name: string, ids: Record<number, string | null>) {
  for (const [ordinal, id] of Object.entries(ids)) {
    const items = [request(Number(ordinal), `text ${ordinal}`, { id })];
    const partition = `${name}x${ordinal}`;
    await seal(directory, items, { partition, firstOrdinal: Number(ordinal) });
  }
  const requests: string[] = [];
  const records: string[] = [];
  for (const ordinal of Object.keys(ids)) {
    const [line] = await collect(readShard(directory, `${name}x${ordinal}-0000`));
    requests.push(`${line?.request}\n`);
    records.push(`${recordLine(line!.ordinal, line!.record.toString(), attempts)}\n`);
  }
  const paths = shardPaths(directory, name);
  await writeFile(paths.leftoverRequests, requests.join(''));
  await writeFile(paths.leftoverRecords, records.join(''));
}

function names(): () => string {
  let n = 0;
  return () => `r${n++}`;
}

async function rowsOf(directory: string, shards: readonly SealedShard[]) {
  const rows: [string, string, number][] = [];
  for (const { name } of shards) {
    for (const line of await collect(readShard(directory, name))) {
      expect(line.attempts).toEqual(attempts);
      rows.push([name, line.customId, line.ordinal]);
    }
  }
  return rows;
}

test('left-over rows of many shards are merged by ordinal, closed before a limit', async () => {
  const directory = await temporaryDirectory();
  await leftover(directory, 'a', { 1: null, 4: null, 9: null });
  await leftover(directory, 'b', { 2: null, 3: null, 11: null });
  await leftover(directory, 'c', {});
  const regroup = () =>
    regroupLeftovers(['a', 'b', 'c'], {
      ...{ directory, counter, nextName: names() },
      limits: { ...wide, maxRequests: 4 },
    });
  const shards = await regroup();
  expect(await rowsOf(directory, shards)).toEqual([
    ['r0', 'job-1', 1],
    ['r0', 'job-2', 2],
    ['r0', 'job-3', 3],
    ['r0', 'job-4', 4],
    ['r1', 'job-9', 9],
    ['r1', 'job-11', 11],
  ]);
  expect(shards[1]).toMatchObject({
    ...{ name: 'r1', partition: null, requests: 2, firstOrdinal: 9, lastOrdinal: 11 },
    tokens: 'text 9'.length + 'text 11'.length,
    sha256: await hashFile(shardPaths(directory, 'r1').requests),
  });
  const files = await filesOf(directory);
  expect(await regroup()).toEqual(shards);
  expect(await filesOf(directory)).toEqual(files);
});

test('a retry shard closes before a colliding id, and for a row over a lowered limit', async () => {
  const directory = await temporaryDirectory();
  await leftover(directory, 'a', { 1: 'x', 3: 'y' });
  await leftover(directory, 'b', { 2: 'x', 4: 'z' });
  const all = { directory, counter, limits: wide };
  const shards = await regroupLeftovers(['a', 'b'], { ...all, nextName: names() });
  expect(await rowsOf(directory, shards)).toEqual([
    ['r0', 'x', 1],
    ['r1', 'x', 2],
    ['r1', 'y', 3],
    ['r1', 'z', 4],
  ]);
  const lowered = { ...all, limits: { ...wide, maxTokens: 1 } };
  const single = await regroupLeftovers(['a', 'b'], { ...lowered, nextName: names() });
  expect(single.map((shard) => shard.requests)).toEqual([1, 1, 1, 1]);
});

test('more inputs than can be open at once are taken in groups, each in order', async () => {
  const directory = await temporaryDirectory();
  const inputs = Array.from({ length: 70 }, (_, n) => `i${n}`);
  for (const [n, name] of inputs.entries()) await leftover(directory, name, { [n]: null });
  const shards = await regroupLeftovers(inputs, {
    ...{ directory, counter, limits: wide, nextName: names() },
  });
  expect(shards.map((shard) => [shard.firstOrdinal, shard.lastOrdinal])).toEqual([
    [0, 63],
    [64, 69],
  ]);
});

test.each([
  [
    ['aaaa', 'b', 'b', 'b', 'b'],
    [1, 4],
  ],
  [
    ['b', 'b', 'b', 'aaaaaaa'],
    [3, 1],
  ],
  [
    ['a', 'a', 'a', 'a'],
    [2, 2],
  ],
  [
    ['', ''],
    [1, 1],
  ],
])('a shard of %j is halved by its tokens', async (texts, sizes) => {
  const directory = await temporaryDirectory();
  const items = texts.map((text, row) => request(row, text, { tokens: text.length }));
  const { shards } = await seal(directory, items);
  const halves = await halveShard(directory, shards[0]!, ['r1', 'r2'], counter);
  expect(halves.map((half) => [half.name, half.requests])).toEqual([
    ['r1', sizes[0]],
    ['r2', sizes[1]],
  ]);
  expect(halves[0].bytes + halves[1].bytes).toBe(shards[0]?.bytes);
  expect(halves[0].tokens + halves[1].tokens).toBe(shards[0]?.tokens);
  const lines = [
    ...(await collect(readShard(directory, 'r1'))),
    ...(await collect(readShard(directory, 'r2'))),
  ];
  const whole = await collect(readShard(directory, shards[0]!.name));
  expect(lines.map((line) => line.request.toString())).toEqual(
    whole.map((line) => line.request.toString()),
  );
});

test('one request is not halved', async () => {
  const directory = await temporaryDirectory();
  const { shards } = await seal(directory, [request(0, 'x')]);
  await expect(halveShard(directory, shards[0]!, ['r1', 'r2'], counter)).rejects.toThrow(
    /one request/,
  );
});

test('files that were changed after they were sealed are told from whole ones', async () => {
  const directory = await temporaryDirectory();
  await seal(directory, [request(0, 'x'), request(1, 'y')]);
  const paths = shardPaths(directory, 'p0000-0000');
  const files = await filesOf(directory);
  const requests = files['p0000-0000.requests.jsonl'] ?? '';
  const records = files['p0000-0000.records.ndjson'] ?? '';
  const read = () => collect(readShard(directory, 'p0000-0000'));
  const [first = ''] = records.split('\n');
  await writeFile(paths.records, `${first}\n`);
  await expect(read()).rejects.toMatchObject({ code: 'corrupt_shard' });
  await writeFile(paths.records, `${records}${first}\n`);
  await expect(read()).rejects.toThrow(/line 3/);
  await writeFile(paths.records, `${first}\nnonsense\n`);
  await expect(read()).rejects.toThrow(/line 2: this is no record line/);
  await writeFile(paths.records, records);
  await writeFile(paths.requests, `{"id":1}\n${requests}`);
  await expect(read()).rejects.toThrow(/line 1: this is no request line/);
  await rename(paths.records, join(directory, 'gone'));
  await expect(read()).rejects.toMatchObject({ code: 'ENOENT' });
});

test('limits are those of the service, or lower', () => {
  expect(resolveLimits()).toEqual({
    maxRequests: 100_000,
    maxBytes: 200_000_000,
    maxTokens: UNLIMITED_TOKENS,
  });
  const openai = { name: 'openai', maxRequestsPerFile: 50_000, maxFileBytes: 200_000_000 } as const;
  expect(resolveLimits({ maxTokens: 5 }, openai)).toMatchObject({
    maxRequests: 50_000,
    maxTokens: 5,
  });
  expect(JSON.parse(JSON.stringify(resolveLimits()))).toEqual(resolveLimits());
  expect(() => resolveLimits({ maxRequests: 50_001 }, openai)).toThrow(/50000 in one file/);
  for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
    expect(() => resolveLimits({ maxBytes })).toThrow(/positive whole number/);
  }
});
