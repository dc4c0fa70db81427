import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTokenCounter } from '../../src/tokens/counter.ts';
import { estimateCost, loadModelTable, modelInfo } from '../../src/tokens/models.ts';

it.each([
  ['gpt-4o', 'o200k_base'],
  ['gpt-4o-2024-11-20', 'o200k_base'],
  ['gpt-4', 'cl100k_base'],
  ['gpt-4-turbo-2024-04-09', 'cl100k_base'],
  ['gpt-4.1-mini', 'o200k_base'],
  ['gpt-4.5-preview', 'o200k_base'],
  ['gpt-5.6-luna', 'o200k_base'],
  ['gpt-6-sol', 'o200k_base'],
  ['gpt-oss-120b', 'o200k_harmony'],
  ['o3-mini', 'o200k_base'],
  ['chatgpt-4o-latest', 'o200k_base'],
  ['gpt-35-turbo', 'cl100k_base'],
  ['gpt-35-turbo-16k', 'cl100k_base'],
  ['GPT-4 ', 'cl100k_base'],
  ['ft:gpt-4:org', 'cl100k_base'],
  ['ft:gpt-4o:org', 'o200k_base'],
  ['ft:gpt-4.1:org', 'o200k_base'],
  ['text-embedding-3-large', 'cl100k_base'],
])('%s is encoded in %s', (model, encoding) => {
  expect(modelInfo(model)).toMatchObject({ model, encoding, known: true });
});

it('takes the default for a name that it does not know, and says so', async () => {
  for (const model of ['my-deployment', '', 'constructor', '__proto__']) {
    expect(modelInfo(model)).toEqual({ model, encoding: 'o200k_base', known: false, price: null });
  }
  expect((await createTokenCounter('my-deployment')).known).toBe(false);
});

it('knows batch prices by name, by alias and without the date', () => {
  const usd = (model: string) => modelInfo(model).price?.input;
  expect(modelInfo('gpt-4o').price).toEqual({
    input: 1.25,
    cachedInput: null,
    output: 5,
    currency: 'USD',
    perTokens: 1e6,
    date: '2026-11-22',
  });
  expect(usd('gpt-4o-2024-08-06')).toBe(1.25);
  expect(usd('gpt-4o-2024-05-13')).toBe(2.5);
  expect(usd('gpt-35-turbo')).toBe(0.25);
  expect(usd('gpt-4')).toBe(15);
  expect(usd('text-embedding-3-small')).toBe(0.01);
  expect(usd('gpt-4o-audio-preview')).toBeUndefined();
  expect(usd('gpt-5.3')).toBeUndefined();
});

it('adds up a cost, cached input being a part of the input', () => {
  expect(estimateCost('gpt-5', { input: 1e6, cached: 4e5, output: 1e5 })).toBeCloseTo(
    0.6 * 0.625 + 0.4 * 0.0625 + 0.5,
  );
  expect(estimateCost('gpt-4o', { input: 1e6, cached: 4e5 })).toBeCloseTo(1.25);
  expect(estimateCost('my-deployment', { input: 1e6 })).toBeNull();
});

it("reads a user's table and refuses what is not one", () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-models-'));
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const table = structuredClone(loadModelTable()) as { date: string };
  table.date = '2030-01-01';
  expect(loadModelTable(write('ok.json', JSON.stringify(table))).date).toBe('2030-01-01');
  for (const bad of [write('not.json', '{'), write('empty.json', '{}'), join(dir, 'none.json')]) {
    expect(() => loadModelTable(bad)).toThrow(expect.objectContaining({ code: 'model_table' }));
  }
});
