import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/core/service.ts';
import type { Emulator, EmulatorOptions } from '../../src/emulator/index.ts';
import { DEFAULT_SETTINGS } from '../../src/jobs/context.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { hardLimit, limitNow } from '../../src/jobs/quota.ts';
import { type RunOptions, runBatchJob } from '../../src/jobs/run.ts';
import type { JobStatus } from '../../src/jobs/status.ts';
import { grant } from '../../src/jobs/steps/grant.ts';
import { begin } from '../../src/jobs/submission.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { FAST, mostCharged, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';
import { lossy } from './lossy.ts';

// What a job learns of a quota that it was not told, and of what others have of it.

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

async function run(
  emulator: Emulator,
  options: Partial<RunOptions<unknown>> & { target?: Target } = {},
): Promise<{ status: JobStatus; most: number; seen: JobStatus[]; events: string[] }> {
  const { target = targetAt(emulator), ...rest } = options;
  const path = join(await temporaryDirectory(), 'quota.job');
  const seen: JobStatus[] = [];
  const status = await runBatchJob({
    ...FAST,
    job: path,
    source: reviews(300),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: 20 },
    service: target,
    onProgress: (now) => seen.push(now),
    ...rest,
  });
  const job = await openJob(path);
  const events = await job.store.read((tx) => tx.events(0, 10_000));
  await job.close();
  const most = Math.max(...seen.map(({ tokens }) => tokens.enqueued));
  return { status, most, seen, events: events.map(({ type }) => type) };
}

const BASE = {
  name: 't',
  resource: 'r',
  limit: 1000,
  statedLimit: null,
  learnedLimit: null,
  probedLimit: null,
  othersTokens: 0,
  othersFiles: 0,
  maxFiles: 500,
  deployment: null,
  credential: null,
  retryAt: 0,
  failingSince: null,
  restUntil: 0,
  drained: null,
  version: 1,
};

describe('the tokens that may be held', () => {
  it.each([
    [{}, 1000, 1000],
    [{ limit: null }, Infinity, Infinity],
    [{ limit: null, othersTokens: 500 }, Infinity, Infinity],
    [{ statedLimit: 800 }, 800, 800],
    [{ statedLimit: 4000 }, 1000, 1000],
    [{ othersTokens: 300 }, 1000, 700],
    [{ othersTokens: 5000 }, 1000, 500],
    [{ learnedLimit: 200, othersTokens: 300 }, 1000, 200],
    [{ probedLimit: 1500 }, 1500, 1500],
    [{ probedLimit: 1500, learnedLimit: 1100 }, 1500, 1100],
  ])('with %j', (row, hard, now) => {
    expect(hardLimit({ ...BASE, ...row })).toBe(hard);
    expect(limitNow({ ...BASE, ...row })).toBe(now);
  });
});

it('takes the quota that the headers of a create state', async () => {
  const emulator = await service({ enqueuedTokens: 6000, speed: 5000 });
  const { status, seen } = await run(emulator);
  expect(status).toMatchObject({ state: 'finished', ok: 300 });
  expect(status.targets[0]?.tokens.limit).toBe(6000);
  const later = seen.filter(({ targets }) => targets[0]?.tokens.limit === 6000);
  expect(Math.max(...later.map(({ tokens }) => tokens.enqueued))).toBeLessThanOrEqual(6000);
});

it('leaves room for the batches of others that the list shows', async () => {
  // Without headers; the others' requests are one for each batch.
  const switches = { enqueuedHeader: 'none' } as const;
  const foreign = { batches: 80, deployment: 'label-batch', tokens: 10, seconds: 1e6 };
  const emulator = await service({ speed: 3000, switches, faults: { foreign: [foreign] } });
  const target = targetAt(emulator, { enqueuedTokens: 12_000 });
  const { status, seen } = await run(emulator, { target });
  expect(status).toMatchObject({ state: 'finished', ok: 300 });
  const others = Math.max(...seen.map(({ targets }) => targets[0]?.tokens.others ?? 0));
  const mean = (status.tokens.estimated / 300) * 1.64;
  // Taken while the last records were still counted, perhaps.
  expect(others / (80 * mean)).toBeCloseTo(1, 1);
});

it('probes beyond its quota while that is admitted, and backs off when it is not', async () => {
  const switches = { enqueuedHeader: 'none', tokenLimit: 'refuse' } as const;
  const options: EmulatorOptions = { enqueuedTokens: 5000, speed: 500, switches };
  const emulator = await service(options);
  const { status, events } = await run(emulator, {
    target: targetAt(emulator, { enqueuedTokens: 4000 }),
    dynamicQuota: true,
  });
  expect(status).toMatchObject({ state: 'finished', ok: 300, failed: 0 });
  expect(mostCharged(emulator.eventLog())).toBeGreaterThan(4000);
  expect(mostCharged(emulator.eventLog())).toBeLessThanOrEqual(5000);
  expect(events).toContain('refused');
}, 60_000);

it('sees the file quota coming, waits for places, and deletes no file of others', async () => {
  const foreign = { batches: 3, deployment: 'other', seconds: 1e6 };
  const switches = { maxFiles: 5 };
  const emulator = await service({ speed: 4000, switches, faults: { foreign: [foreign] } });
  const plain = targetAt(emulator);
  // The client's own idea of the limit, which this service has lowered.
  const lowered = lossy(plain, {});
  const dialect = { ...plain.service.dialect, maxFiles: 5 };
  const { status } = await run(emulator, {
    target: { ...lowered, service: { ...lowered.service, dialect } },
    source: reviews(120),
  });
  expect(status).toMatchObject({ state: 'finished', ok: 120 });
  expect(status.targets[0]?.files).toEqual({ ours: 0, others: 3, most: 5 });
  const uploads = emulator.accessLog().filter(({ call }) => call === 'files.upload');
  expect(uploads.length).toBeGreaterThan(3);
  expect(uploads.filter(({ status: code }) => code >= 400).length).toBeLessThanOrEqual(2);
  const deleted = emulator.eventLog().filter(({ kind, to }) => kind === 'file' && to === 'deleted');
  expect(deleted).toHaveLength(uploads.filter(({ status: code }) => code < 300).length);
});

describe('a shard that only one of two targets could take', () => {
  it.each([
    ['waits for that one while it takes none', 5000, 0],
    ['is cut in two when neither ever could', 100, 1],
  ])('%s', async (_what, limit, splits) => {
    const job = await openJob(join(await temporaryDirectory(), 'pool.job'));
    await prepareJob(job, { source: reviews(40), request, baseModel: 'gpt-4o' });
    const at = (name: string, enqueuedTokens: number) =>
      azureOpenAI({ name, endpoint: 'https://x.openai.azure.com', apiKey: 'k', enqueuedTokens });
    const targets = [at('small', 100), at('large', limit)];
    const context = {
      ...{ job, directory: job.directory, store: job.store, clock: job.clock, random: job.random },
      targets: new Map(targets.map((target) => [target.name, target])),
      settings: DEFAULT_SETTINGS,
    };
    await job.store.transaction(async (tx) => {
      await begin(tx, context);
      const row = (await tx.targets()).find(({ name }) => name === 'large');
      await tx.updateTarget('large', row?.version ?? 0, { retryAt: job.clock.now() + 60_000 });
    });
    const tasks = await job.store.read((tx) => tx.tasks());
    const task = tasks.find(({ kind, id }) => kind === 'grant' && id === 'small');
    if (task !== undefined) await grant(context, task, new AbortController().signal);
    const after = await job.store.read((tx) => tx.tasks());
    await job.close();
    expect(after.filter(({ kind }) => kind === 'split')).toHaveLength(splits);
  });
});
