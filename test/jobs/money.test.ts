import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RequestSpec } from '../../src/core/job.ts';
import { openJob } from '../../src/jobs/job.ts';
import { outputEstimate } from '../../src/jobs/output-tokens.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { shardStatuses } from '../../src/jobs/shard-status.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { loadModelTable } from '../../src/tokens/models.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

/** Usage with everything that is billed: 100 in, 40 of them cached, 50 out, 30 of them reasoning. */
const USAGE = {
  prompt_tokens: 100,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens: 50,
  completion_tokens_details: { reasoning_tokens: 30 },
  total_tokens: 150,
};

function answer() {
  const message = { role: 'assistant', content: 'fine' };
  return { status_code: 200, body: { choices: [{ index: 0, message }], usage: USAGE } };
}

describe('the output of answers that are not there yet', () => {
  const spec = (template: unknown, endpoint = '/chat/completions'): RequestSpec =>
    ({ endpoint, model: 'm', baseModel: 'gpt-4o', idField: null, template }) as RequestSpec;
  const none = { ok: 0, outputTokens: 0 };

  it.each([
    [spec({ parameters: { max_tokens: 80 } }), none, 80, 'bound'],
    [spec({ parameters: { max_completion_tokens: 80, n: 2 } }), none, 160, 'bound'],
    [spec({ body: { max_output_tokens: 30 } }, '/responses'), none, 30, 'bound'],
    [spec({}), none, null, 'unknown'],
    [spec({}), { ok: 10, outputTokens: 500 }, 55, 'learnt'],
    [spec({ parameters: { max_tokens: 80 } }), { ok: 10, outputTokens: 100 }, 80, 'bound'],
    [spec({ parameters: { max_tokens: 80 } }), { ok: 50, outputTokens: 500 }, 11, 'learnt'],
    [spec({ parameters: { max_tokens: 52 } }), { ok: 50, outputTokens: 2500 }, 52, 'learnt'],
    [spec({}, '/embeddings'), none, 0, 'none'],
    [null, none, null, 'unknown'],
  ] as const)('%j after %j', (of, totals, perRequest, basis) => {
    const estimate = outputEstimate(of, totals);
    expect(estimate.basis).toBe(basis);
    if (perRequest === null) expect(estimate.perRequest).toBeNull();
    else expect(estimate.perRequest).toBeCloseTo(perRequest);
  });
});

it('counts the cost of cached and reasoning tokens as the table has it', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ answer });
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'usage.job'),
    source: reviews(10),
    request,
    baseModel: 'gpt-5',
    service: targetAt(emulator),
  });
  expect(status.tokens).toMatchObject({ actual: 1000, cached: 400, output: 500, reasoning: 300 });
  // 600 at 0.625, 400 cached at 0.0625 and 500 at 5 USD a million.
  expect(status.cost.actual).toBeCloseTo((600 * 0.625 + 400 * 0.0625 + 500 * 5) / 1e6);
  expect(status.cost.price_date).toMatch(/^\d{4}-\d{2}/);
  expect(status.tokens.measured.actual).toBe(1000);
  const job = await openJob(join(dir, 'usage.job'));
  const [shard] = await job.store.read(shardStatuses);
  await job.close();
  expect(shard?.cost.actual).toBeCloseTo(status.cost.actual ?? 0);
});

/** Of gpt-4o in batch: 1.25 USD a million in, 5 out. */
const OUT = 5 / 1e6;

describe('--max-cost with an output that the requests bound', () => {
  /** Four shards, and room for the output of one and a bit, not for two. */
  async function bounded(completionTokens: number) {
    const dir = await temporaryDirectory();
    const usage = { ...USAGE, completion_tokens: completionTokens };
    const emulator = await service({
      answer: () => ({ status_code: 200, body: { ...answer().body, usage } }),
    });
    const options = {
      ...FAST,
      job: join(dir, 'bound.job'),
      source: reviews(40),
      request: { ...request, parameters: { max_tokens: 1000 } },
      baseModel: 'gpt-4o',
      limits: { maxRequests: 10 },
      service: targetAt(emulator),
    };
    const log = () => emulator.eventLog().filter(({ kind }) => kind === 'batch');
    return { options, log, run: runBatchJob({ ...options, maxCost: 15_000 * OUT }) };
  }

  it('stops before a submit that could pass it, and goes on when it is raised', async () => {
    const { options, log, run } = await bounded(1000);
    await expect(run).rejects.toThrow(/would be passed: .*spent, .*the most that the requests/);
    expect(log().filter(({ from }) => from === null)).toHaveLength(1);
    expect(await runBatchJob({ ...options, maxCost: 1 })).toMatchObject({ state: 'finished' });
  });

  it('waits for what is under way before it stops: answers came to less than they could', async () => {
    const { log, run } = await bounded(50);
    expect(await run).toMatchObject({ state: 'finished', ok: 40, pause: null });
    const moves = log();
    const secondMade = moves.findIndex(({ from }, at) => from === null && at > 0);
    expect(moves.slice(0, secondMade).map(({ to }) => to)).toContain('completed');
  });
});

it('sends one shard to learn the output when nothing bounds it', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ answer });
  let most = 0;
  let learnt = false;
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'learn.job'),
    source: reviews(60),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: 10 },
    service: targetAt(emulator),
    maxCost: 1,
    onProgress: ({ ok, targets }) => {
      if (ok > 0) learnt = true;
      if (!learnt) most = Math.max(most, targets[0]?.batches ?? 0);
    },
  });
  expect(status).toMatchObject({ state: 'finished', ok: 60, cost: { output_basis: 'learnt' } });
  const log = emulator.eventLog().filter(({ kind }) => kind === 'batch');
  const secondMade = log.findIndex(({ from }, at) => from === null && at > 0);
  expect(log.slice(0, secondMade).map(({ to }) => to)).toContain('completed');
  expect(most).toBeLessThanOrEqual(1);
});

describe('a sample', () => {
  async function sampled(options: { sampleGoesOn?: boolean; records?: number } = {}) {
    const dir = await temporaryDirectory();
    const emulator = await service({
      answer: ({ custom_id }) =>
        custom_id.endsWith('-3')
          ? { status_code: 400, body: { error: { code: 'content_filter', message: 'no' } } }
          : answer(),
    });
    const path = join(dir, 'pilot.job');
    const { records = 60, ...settings } = options;
    const run = runBatchJob({
      ...FAST,
      ...settings,
      job: path,
      source: reviews(records),
      request,
      baseModel: 'gpt-4o',
      limits: { maxRequests: 25 },
      service: targetAt(emulator),
      sample: 20,
    });
    const made = () =>
      emulator
        .eventLog()
        .flatMap(({ kind, from, detail }) =>
          kind === 'batch' && from === null ? [detail.metadata as Record<string, string>] : [],
        );
    return { emulator, path, run, made };
  }

  it('goes first, stops, and is not paid for twice', async () => {
    const { emulator, path, run, made } = await sampled();
    await expect(run).rejects.toMatchObject({ code: 'paused', message: /sample of 20 of 60/ });
    expect(made()).toHaveLength(1);
    const job = await openJob(path);
    const status = await job.store.read(readStatus);
    expect(status).toMatchObject({
      state: 'paused',
      ok: 19,
      failed: 1,
      sample: {
        state: 'shown',
        requests: 20,
        ok: 19,
        failed: 1,
        tokens: { input: 1900, output: 950, reasoning: 570, cached: 760 },
        forecast: { requests: 60, failed: 3, output: 2850 },
      },
    });
    const end = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator) });
    await job.close();
    expect(end).toMatchObject({ state: 'finished', ok: 59, failed: 1, batches: 3 });
    // 20, then 25 and 15: nothing of the sample again.
    const [sample, ...rest] = made().map((one) => one.millrace_shard);
    expect(sample).toBe('p0000-0000');
    expect(rest.toSorted()).toEqual(['p0000-0001', 'p0000-0002']);
    expect(end.tokens.actual).toBe(5900);
    expect(end.sample?.state).toBe('over');
  });

  it('goes on at once when that was asked for', async () => {
    const { run, made } = await sampled({ sampleGoesOn: true });
    expect(await run).toMatchObject({ state: 'finished', ok: 59, sample: { state: 'over' } });
    expect(made()).toHaveLength(3);
  });

  it('of more records than there are is the whole job', async () => {
    const { run } = await sampled({ records: 12 });
    expect(await run).toMatchObject({ state: 'finished', ok: 11, failed: 1 });
  });
});

describe('a job that paused for want of a price', () => {
  /** An input that takes its time to open: nothing may be granted before it is described. */
  async function* slowly() {
    await setTimeout(300);
    for (const record of reviews(10)) yield Buffer.from(`${JSON.stringify(record)}\n`);
  }

  async function pausedJob() {
    const dir = await temporaryDirectory();
    const emulator = await service();
    const call = (more: object) =>
      runBatchJob({
        ...FAST,
        job: join(dir, 'priceless.job'),
        source: Readable.from(slowly(), { objectMode: false }),
        sourceOptions: { format: 'ndjson' },
        request,
        baseModel: 'priceless',
        service: targetAt(emulator),
        maxCost: 5,
        ...more,
      });
    await expect(call({})).rejects.toMatchObject({ code: 'paused' });
    return { dir, call };
  }

  it('goes on at once with a table that has the price', async () => {
    const { dir, call } = await pausedJob();
    const models = join(dir, 'models.json');
    const { prices, ...table } = loadModelTable();
    const priced = { ...prices.models, priceless: prices.models['gpt-4o'] };
    await writeFile(models, JSON.stringify({ ...table, prices: { ...prices, models: priced } }));
    expect(await call({ models })).toMatchObject({ state: 'finished', ok: 10 });
  });

  it('refuses another base model, whatever it paused for', async () => {
    const { call } = await pausedJob();
    await expect(call({ baseModel: 'gpt-4o' })).rejects.toThrow(/baseModel was "priceless"/);
  });
});
