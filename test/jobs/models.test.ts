import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { estimateJob } from '../../src/jobs/estimate.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { loadModelTable } from '../../src/tokens/models.ts';
import { reviews, temporaryDirectory } from './helpers.ts';

const shipped = loadModelTable();
const price = { input: 1_000_000, cachedInput: null, output: 0 };

/** The shipped table with other facts, as a user's file. */
async function tableWith(dir: string, name: string, over: object): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, JSON.stringify({ ...shipped, ...over }));
  return path;
}

const request = { kind: 'prompt', model: 'my-model', prompt: 'Label: {{text}}' } as const;

it('a job counts and prices by the table that it is given, also later on', async () => {
  const dir = await temporaryDirectory();
  const chat = { default: { ...shipped.chat.default, perMessage: 103 } };
  const prices = { ...shipped.prices, models: { 'my-model': price } };
  const models = await tableWith(dir, 'models.json', { chat, prices });
  const source = reviews(10);
  const plain = await estimateJob({ source, request });
  expect(plain.inputCost).toBeNull();
  const estimate = await estimateJob({ source, request, models });
  expect(estimate.tokens).toBe(plain.tokens + 10 * 100);
  expect(estimate.inputCost).toBe(estimate.tokens);

  await using job = await openJob(join(dir, 'm.job'));
  expect(await prepareJob(job, { source, request, models })).toMatchObject({
    tokens: estimate.tokens,
  });
  const cost = async () => (await job.store.read(readStatus)).cost;
  expect(await cost()).toMatchObject({ estimated: estimate.tokens, currency: 'USD' });

  const newer = { currency: 'EUR', models: { 'my-model': { ...price, input: 2_000_000 } } };
  const later = await tableWith(dir, 'later.json', { prices: { ...shipped.prices, ...newer } });
  await prepareJob(job, { source, request, models: later });
  expect(await cost()).toMatchObject({ estimated: 2 * estimate.tokens, currency: 'EUR' });
  await prepareJob(job, { source, request });
  expect(await cost()).toMatchObject({ currency: 'EUR' });
});

it('a table that is none is refused before anything is made', async () => {
  const dir = await temporaryDirectory();
  const models = join(dir, 'empty.json');
  await writeFile(models, '{}');
  await expect(estimateJob({ source: reviews(1), request, models })).rejects.toMatchObject({
    code: 'model_table',
  });
});
