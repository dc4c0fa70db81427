import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CountedRequest, PreparedRequest } from '../../src/core/request.ts';
import { estimateJob } from '../../src/jobs/estimate.ts';
import { validateRequestFile } from '../../src/requests/validate-file.ts';
import { shardPaths } from '../../src/shards/paths.ts';
import { regroupLeftovers } from '../../src/shards/retry.ts';
import { all } from '../requests/helpers.ts';
import { MODEL, seal, temporaryDirectory } from './helpers.ts';

// The service embeds 50,000 texts in a batch, however many requests they are in.

function embedding(row: number, input: unknown): CountedRequest<unknown> {
  const position = { source: 'r', row, byte: -1 };
  const body = { model: MODEL, input };
  return new CountedRequest(new PreparedRequest(null, position, null, '/embeddings', body), 1);
}

const texts = Array<string>(2000).fill('x');

test('a shard holds no more texts than a batch embeds, a retry shard neither', async () => {
  const directory = await temporaryDirectory();
  const items = Array.from({ length: 30 }, (_, row) => embedding(row, texts));
  const { shards } = await seal(directory, items);
  expect(shards.map(({ requests }) => requests)).toEqual([25, 5]);
  for (const { name } of shards) {
    const paths = shardPaths(directory, name);
    await copyFile(paths.requests, paths.leftoverRequests);
    await copyFile(paths.records, paths.leftoverRecords);
  }
  let retries = 0;
  const again = await regroupLeftovers(
    shards.map(({ name }) => name),
    {
      directory,
      limits: { maxRequests: 100, maxBytes: 1e9, maxTokens: 1e6 },
      counter: { countRequest: () => 1 },
      nextName: () => `r${retries++}`,
    },
  );
  expect(again.map(({ requests }) => requests)).toEqual([25, 5]);
  const first = join(directory, 'shards', `${shards[0]?.name}.requests.jsonl`);
  const limits = { maxRequests: 100, maxBytes: 1e9 };
  expect(await all(validateRequestFile(first, limits))).toEqual([]);
});

test('tokens that are encoded already are one text, and a request alone can be too large', async () => {
  const directory = await temporaryDirectory();
  const items = [embedding(0, Array(60_000).fill(7)), embedding(1, Array(50_001).fill('x'))];
  const { shards, progress } = await seal(directory, items);
  expect(shards.map(({ requests }) => requests)).toEqual([1]);
  expect(progress.rejected).toBe(1);
});

test('one text a record is cut at the same number, on the fast way too', async () => {
  const source = join(await temporaryDirectory(), 'rows.csv');
  await writeFile(source, `text\n${'x\n'.repeat(50_001)}`);
  const request = {
    kind: 'prompt',
    model: 'text-embedding-3-small',
    prompt: '{{text}}',
    endpoint: '/embeddings',
  } as const;
  expect(await estimateJob({ source, request })).toMatchObject({
    requests: 50_001,
    shards: 2,
  });
});
