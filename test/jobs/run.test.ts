import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { FAST, type Review, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

async function rowsOf(path: string): Promise<ResultRow<Review>[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

it('brings every record back once, in order, with its answer', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const source = reviews(300);
  const status = await runBatchJob<Review>({
    ...FAST,
    job: join(dir, 'reviews.job'),
    source,
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: 40 },
    service: targetAt(emulator),
    sink: join(dir, 'out.ndjson'),
  });
  expect(status).toMatchObject({ state: 'finished', records: 300, ok: 300, failed: 0, pending: 0 });
  const rows = await rowsOf(join(dir, 'out.ndjson'));
  expect(rows.map(({ ordinal }) => ordinal)).toEqual(source.map((_, n) => n));
  expect(rows.map(({ record }) => record)).toEqual(source);
  expect(rows.every(({ status: s, response }) => s === 'ok' && response?.status_code === 200)).toBe(
    true,
  );
  expect(status.batches).toBe(8);
  expect(status.tokens.enqueued).toBe(0);
});
