import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { jobRow } from '../../src/jobs/context.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { resumeBatchJob } from '../../src/jobs/run.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { lossy, refusal } from '../jobs/lossy.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;
const RECORDS = 40;
const prepared = {
  request,
  source: reviews(RECORDS),
  baseModel: 'gpt-4o',
  limits: { maxRequests: 10 },
};

it('collects what was sent before --max-cost ends a run, and goes on when it is raised', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'cost.job'));
  await prepareJob(job, prepared);
  const target = targetAt(emulator);
  const { cost } = await job.store.read(readStatus);
  // Room for the input of the first shard or two, and then for no more.
  const maxCost = (cost.estimated ?? 0) * 0.6;
  const stopped = resumeBatchJob(job, { ...FAST, maxCost, service: target });
  await expect(stopped).rejects.toMatchObject({ code: 'paused', retryable: true });
  const paused = await job.store.read(readStatus);
  expect(paused).toMatchObject({ state: 'paused', failed: 0 });
  expect(paused.pause).toMatch(/--max-cost/);
  expect(paused.ok).toBeGreaterThan(0);
  expect(paused.ok).toBeLessThan(RECORDS);
  expect(paused.tokens.enqueued).toBe(0);
  const status = await resumeBatchJob(job, { ...FAST, maxCost: 1000, service: target });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: 4 });
  await job.close();
});

it('keeps the rejected rows of a job that was paused while it was prepared', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const sink = join(dir, 'out.ndjson');
  const job = await openJob(join(dir, 'early.job'));
  async function* source() {
    yield* reviews(5);
    yield { id: 'without a text' } as never;
    await job.store.transaction(async (tx) => {
      const { version } = await jobRow(tx);
      await tx.updateJob(version, { state: 'paused', pause: 'a test' });
    });
    yield* reviews(5);
  }
  await prepareJob(job, { ...prepared, source: source() });
  const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator), sink });
  expect(status).toMatchObject({ state: 'finished', records: 11, ok: 10, rejected: 1 });
  const rows = (await readFile(sink, 'utf8')).trim().split('\n');
  const statuses = rows.map((row) => (JSON.parse(row) as ResultRow).status);
  expect(statuses).toEqual([...Array(5).fill('ok'), 'rejected', ...Array(5).fill('ok')]);
  await job.close();
});

it('cancels a paused job instead of waking it', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'asleep.job'));
  await prepareJob(job, prepared);
  const target = targetAt(emulator);
  const refusing = lossy(target, { refuseCreate: () => refusal(404, 'DeploymentNotFound') });
  await expect(submitShards(job, refusing, FAST).done).rejects.toMatchObject({ code: 'paused' });
  await requestCancel(job.store);
  await submitShards(job, target, FAST).done;
  const cancelled = await job.store.read(readStatus);
  expect(cancelled).toMatchObject({ state: 'cancelled', batches: 0, pending: RECORDS });
  const status = await resumeBatchJob(job, { ...FAST, service: target });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS });
  await job.close();
});

it('cancels a batch whose create was not answered when the wish to cancel came', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ speed: 200 });
  const job = await openJob(join(dir, 'unsure.job'));
  await prepareJob(job, { ...prepared, limits: { maxRequests: RECORDS } });
  const stop = new AbortController();
  const losing = lossy(targetAt(emulator), {
    loseCreateAnswer: () => {
      stop.abort();
      return true;
    },
  });
  await submitShards(job, losing, { ...FAST, signal: stop.signal }).done.catch(() => undefined);
  expect(await job.store.read(readStatus)).toMatchObject({ shards: { submitting: 1 } });
  await requestCancel(job.store);
  await submitShards(job, targetAt(emulator), FAST).done;
  const status = await job.store.read(readStatus);
  expect(status).toMatchObject({ state: 'cancelled', pending: RECORDS });
  expect(status.tokens.enqueued).toBe(0);
  const ends = emulator.eventLog().filter(({ kind, to }) => kind === 'batch' && to === 'cancelled');
  expect(ends).toHaveLength(1);
  await job.close();
});
