import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/core/clock.ts';
import { type EstimateOptions, estimateJob } from '../../src/jobs/estimate.ts';
import { temporaryDirectory } from './helpers.ts';

const WORDS = 'the mill turns slowly; вода, 水車 and "wheels" grind 4711 times\n'.split(' ');

/** Rows of very different lengths and scripts. */
function rows(count: number, seed: number): { id: string; text: string }[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, n) => {
    const words = Math.ceil(Math.exp(random() * 5));
    const text = Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]);
    return { id: `r${n}`, text: text.join(' ') };
  });
}

const request = { kind: 'prompt', model: 'gpt-4o', prompt: 'Label this text: {{text}}' } as const;

async function both<T>(options: EstimateOptions<T>, sample: number) {
  const exact = await estimateJob(options);
  return { exact, sampled: await estimateJob({ ...options, sample }) };
}

it('a sample is within its own bound of the exact count nearly always', async () => {
  let within = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const { exact, sampled } = await both({ source: rows(600, seed), request }, 60);
    expect(exact.sample).toBeNull();
    expect(sampled).toMatchObject({
      records: 600,
      requests: 600,
      rejected: 0,
      bytes: exact.bytes,
      sample: { requests: 60 },
    });
    expect(sampled.sample!.tokenError).toBeLessThan(exact.tokens / 5);
    if (Math.abs(sampled.tokens - exact.tokens) <= sampled.sample!.tokenError) within++;
  }
  // 38 are to be expected; fewer than 33 of 40 come in one of a thousand times.
  expect(within).toBeGreaterThanOrEqual(33);
});

it('a sample that holds everything is exact', async () => {
  const { exact, sampled } = await both({ source: rows(100, 3), request }, 100);
  expect(sampled).toEqual({ ...exact, sample: { requests: 100, tokenError: 0 } });
});

it('is drawn from all sources, spliced or built', async () => {
  const dir = await temporaryDirectory();
  const source = [join(dir, 'a.csv'), join(dir, 'b.ndjson')];
  const csv = rows(900, 5).map(({ id, text }) => `${id},"${text.replaceAll('"', '""')}"\n`);
  await writeFile(source[0]!, `id,text\n${csv.join('')}`);
  await writeFile(
    source[1]!,
    rows(900, 6)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  const messages = ({ text }: { text: string }) => [{ role: 'user' as const, content: text }];
  for (const made of [request, { model: 'gpt-4o', messages }]) {
    const { exact, sampled } = await both({ source, request: made } as EstimateOptions<never>, 200);
    expect(sampled).toMatchObject({ records: 1800, bytes: exact.bytes, sample: { requests: 200 } });
    const off = Math.abs(sampled.tokens - exact.tokens);
    expect(off).toBeLessThanOrEqual(2 * sampled.sample!.tokenError);
    expect(off).toBeGreaterThan(0);
  }
});

it('does not count what is refused', async () => {
  const source = [...rows(500, 7), ...rows(500, 7), { id: 'none' }];
  const options = { source, request: { ...request, idField: 'id' } } as EstimateOptions<unknown>;
  const { exact, sampled } = await both(options, 200);
  expect(sampled).toMatchObject({ records: 1001, requests: 500, rejected: 501 });
  expect(Math.abs(sampled.tokens - exact.tokens)).toBeLessThan(2 * sampled.sample!.tokenError);
});

it('is refused when it is too small to tell how far off it is', async () => {
  const options = { source: rows(10, 1), request, sample: 2 };
  await expect(estimateJob(options)).rejects.toMatchObject({ code: 'usage' });
});
