import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Emulator } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { type JobStatus, readStatus } from '../../src/jobs/status.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';
import { type Faults, first, lossy, refusal } from './lossy.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;
const RECORDS = 40;
const SHARDS = 4;

async function runWith(
  emulator: Emulator,
  faults: Faults,
  more: { submitGraceMs?: number; enqueuedTokens?: number } = {},
): Promise<JobStatus> {
  const dir = await temporaryDirectory();
  const { enqueuedTokens, ...settings } = more;
  return runBatchJob({
    ...FAST,
    ...settings,
    job: join(dir, 'protocol.job'),
    source: reviews(RECORDS),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: RECORDS / SHARDS },
    service: lossy(
      targetAt(emulator, enqueuedTokens === undefined ? {} : { enqueuedTokens }),
      faults,
    ),
  });
}

function batchesMade(emulator: Emulator): number {
  return emulator
    .accessLog()
    .filter(
      ({ method, path, status }) =>
        method === 'POST' && /\/batches(\?|$)/.test(path) && status < 300,
    ).length;
}

it('finds the batch whose answer was lost, and makes no other', async () => {
  const emulator = await service({ speed: 2000 });
  const status = await runWith(emulator, { loseCreateAnswer: first(3) });
  expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS, duplicate_submissions: 0 });
  expect(batchesMade(emulator)).toBe(SHARDS);
});

it('sends a create again only when the grace is over, if it never arrived', async () => {
  const emulator = await service({ speed: 2000 });
  const status = await runWith(emulator, { loseCreate: first(2) });
  expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS, duplicate_submissions: 0 });
  expect(batchesMade(emulator)).toBe(SHARDS);
});

it('looks until the grace is over for a batch that the list shows late', async () => {
  const emulator = await service({ speed: 200 });
  let looks = 0;
  let lost = '';
  const status = await runWith(
    emulator,
    {
      loseCreateAnswer: ({ id }) => {
        const isFirst = lost === '';
        if (isFirst) lost = id;
        return isFirst;
      },
      visible: ({ id }) => {
        if (id === lost) looks += 1;
        return id !== lost || looks > 5;
      },
    },
    { submitGraceMs: 60_000 },
  );
  expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS, duplicate_submissions: 0 });
  expect(batchesMade(emulator)).toBe(SHARDS);
});

it('counts the grace of a create from now when the clock was set back after it', async () => {
  const emulator = await service();
  const dir = await temporaryDirectory();
  let behindMs = 0;
  const clock = { ...systemClock, now: () => Date.now() - behindMs };
  const job = await openJob(join(dir, 'back.job'), { clock });
  const isFirst = first(1);
  const target = lossy(targetAt(emulator), {
    loseCreate: () => {
      if (!isFirst()) return false;
      behindMs = 60 * 60 * 1000;
      return true;
    },
  });
  const options = { ...FAST, job, source: reviews(10), request, baseModel: 'gpt-4o' };
  expect(await runBatchJob({ ...options, service: target })).toMatchObject({ ok: 10, batches: 1 });
  await job.close();
});

it('finds, charges and cancels the duplicate that a lost answer and a late list leave', async () => {
  const emulator = await service({ speed: 200 });
  // The list does not show the batch whose answer was lost before its shard is sent again.
  const made: string[] = [];
  const status = await runWith(
    emulator,
    {
      loseCreateAnswer: ({ id, metadata }) => {
        if (metadata.millrace_shard !== 'p0000-0000') return false;
        made.push(id);
        return made.length === 1;
      },
      visible: ({ id }) => made.length > 1 || id !== made[0],
    },
    { submitGraceMs: 100 },
  );
  expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS });
  expect(status.duplicate_submissions).toBe(1);
  expect(status.tokens.enqueued).toBe(0);
});

it('adopts the file whose upload was not answered', async () => {
  const emulator = await service();
  const status = await runWith(emulator, { loseUploadAnswer: first(2) });
  expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS });
  const uploads = emulator
    .accessLog()
    .filter(({ method, path }) => method === 'POST' && /\/files(\?|$)/.test(path));
  expect(uploads).toHaveLength(SHARDS);
});

it('waits at a full queue without costing the rows an attempt', async () => {
  const emulator = await service();
  let refusals = 0;
  const status = await runWith(emulator, {
    refuseCreate: () => (refusals++ < 5 ? refusal(400, 'token_limit_exceeded') : null),
  });
  expect(status).toMatchObject({ ok: RECORDS, failed: 0 });
  expect(status.attempts).toBeGreaterThan(SHARDS);
});

it('puts a shard back at a 429 and at a 409', async () => {
  const emulator = await service();
  const answers = [refusal(429, 'rate_limit'), refusal(409, 'conflict')];
  const status = await runWith(emulator, { refuseCreate: () => answers.pop() ?? null });
  expect(status).toMatchObject({ ok: RECORDS, failed: 0, batches: SHARDS });
});

it('pauses with the words of the service when the only target cannot be used', async () => {
  const emulator = await service();
  const paused = runWith(emulator, { refuseCreate: () => refusal(404, 'DeploymentNotFound') });
  await expect(paused).rejects.toMatchObject({ code: 'paused' });
  await expect(paused).rejects.toThrow(/DeploymentNotFound/);
});

it('stops at a revoked role and burns no attempt', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'role.job'));
  const options = { ...FAST, job, source: reviews(10), request, baseModel: 'gpt-4o' };
  const revoked = lossy(targetAt(emulator), { refuseCreate: () => refusal(403, 'forbidden') });
  await expect(runBatchJob({ ...options, service: revoked })).rejects.toMatchObject({
    status: 403,
  });
  expect(await job.store.read(readStatus)).toMatchObject({ attempts: 1, batches: 0 });
  const status = await runBatchJob({ ...options, service: targetAt(emulator) });
  expect(status).toMatchObject({ ok: 10, attempts: 1, batches: 1 });
  await job.close();
});

it('cuts a shard in two when the quota can never admit it', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'split.job'));
  const options = { ...FAST, job, source: reviews(RECORDS), request, baseModel: 'gpt-4o' };
  const status = await runBatchJob({
    ...options,
    limits: { maxTokens: 1_000_000 },
    service: targetAt(emulator, { enqueuedTokens: 900 }),
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(status.batches).toBeGreaterThan(1);
  await job.close();
});

it('fails the one record that no quota admits, and no other', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const source = reviews(6);
  source[3] = { id: 'long', text: 'word '.repeat(3000) };
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'one.job'),
    source,
    request,
    baseModel: 'gpt-4o',
    limits: { maxTokens: 1_000_000 },
    service: targetAt(emulator, { enqueuedTokens: 900 }),
  });
  expect(status).toMatchObject({ state: 'finished', ok: 5, failed: 1, pending: 0 });
});
