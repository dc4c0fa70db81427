import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { openJob, withJobStore } from '../../src/jobs/job.ts';
import { prepareJob, settlePreparation } from '../../src/jobs/prepare.ts';
import { reopenFailed } from '../../src/jobs/reopen.ts';
import { joinResults } from '../../src/jobs/results.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

it('holds the enqueued tokens below the quota, with several batches in flight', async () => {
  const dir = await temporaryDirectory();
  // However slow this machine is, no batch ends before two of them are in flight.
  const several = Promise.withResolvers<void>();
  const answer = async () => {
    await several.promise;
    return 'positive';
  };
  const emulator = await service({ enqueuedTokens: 20_000, answer });
  let most = 0;
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'quota.job'),
    source: reviews(600),
    request,
    baseModel: 'gpt-4o',
    service: targetAt(emulator, { enqueuedTokens: 20_000 }),
    onProgress: ({ tokens, shards }) => {
      most = Math.max(most, tokens.enqueued);
      if ((shards.submitted ?? 0) + (shards.running ?? 0) > 1) several.resolve();
    },
  });
  expect(status).toMatchObject({ state: 'finished', ok: 600 });
  expect(status.batches).toBeGreaterThan(3);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(20_000);
});

it('goes on after a submission that was stopped, and makes no batch twice', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ speed: 1000 });
  const path = join(dir, 'stop.job');
  const csv = join(dir, 'in.csv');
  await writeFile(
    csv,
    `id,text\n${reviews(200)
      .map(({ id, text }) => `${id},"${text.replaceAll('"', '""')}"`)
      .join('\n')}\n`,
  );
  const stop = new AbortController();
  const first = runBatchJob({
    ...FAST,
    job: path,
    source: csv,
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: 50 },
    service: targetAt(emulator),
    signal: stop.signal,
    onProgress: ({ batches }) => {
      if (batches > 0) stop.abort();
    },
  });
  await expect(first).rejects.toThrow(/abort/i);
  const job = await openJob(path, { mode: 'open' });
  const status = await resumeBatchJob(job, {
    ...FAST,
    service: targetAt(emulator),
    sink: join(dir, 'out.ndjson'),
  });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: 200, batches: 4 });
  const created = emulator
    .accessLog()
    .filter(({ method, path: p }) => method === 'POST' && p.includes('/batches'));
  expect(created).toHaveLength(4);
  const rows = (await readFile(join(dir, 'out.ndjson'), 'utf8')).trim().split('\n');
  expect(rows.map((row) => JSON.parse(row).ordinal)).toEqual(reviews(200).map((_, n) => n));
});

it('keeps the limits and the sample of a job that died before its source was cut', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const source = join(dir, 'in.csv');
  await writeFile(source, `text\n${'a\n'.repeat(100)}`);
  const options = { source, request, baseModel: 'gpt-4o', limits: { maxRequests: 30 } };
  for (const sample of [undefined, 10]) {
    const job = await openJob(join(dir, `${sample}.job`));
    await settlePreparation(job, options, sample);
    const resume = () => resumeBatchJob(job, { ...FAST, service: targetAt(emulator) });
    if (sample !== undefined) await expect(resume()).rejects.toMatchObject({ code: 'paused' });
    expect(await resume()).toMatchObject({ state: 'finished', ok: 100 });
    expect(await prepareJob(job, options)).toMatchObject({ shards: 4 });
    await job.close();
  }
});

it('refuses a job whose request changed, and says what differs', async () => {
  const dir = await temporaryDirectory();
  const job = await openJob(join(dir, 'spec.job'));
  await prepareJob(job, { source: reviews(3), request });
  const changed = prepareJob(job, {
    source: reviews(3),
    request: { ...request, prompt: 'Rate: {{text}}' },
  });
  await expect(changed).rejects.toThrow(
    /request prompt was "Label: {{text}}", is "Rate: {{text}}"/,
  );
  await job.close();
});

it('refuses records that are not the ones that were sealed', async () => {
  const dir = await temporaryDirectory();
  const job = await openJob(join(dir, 'same.job'));
  const broken = (async function* () {
    yield* reviews(200);
    throw new Error('the cable was pulled');
  })();
  const options = { request, limits: { maxRequests: 50 } };
  await expect(prepareJob(job, { ...options, source: broken })).rejects.toThrow('cable');
  const other = reviews(220).map((review) => ({ ...review, text: `${review.text}!` }));
  await expect(prepareJob(job, { ...options, source: other })).rejects.toMatchObject({
    code: 'source_changed',
  });
  const plan = await prepareJob(job, { ...options, source: reviews(220) });
  expect(plan).toMatchObject({ records: 220, requests: 220, rejected: 0, shards: 5 });
  await job.close();
});

it('lets one holder in, and readers beside it', async () => {
  const dir = await temporaryDirectory();
  const path = join(dir, 'one.job');
  const job = await openJob(path);
  await expect(openJob(path)).rejects.toMatchObject({ code: 'job_locked' });
  await prepareJob(job, { source: reviews(5), request });
  const status = await withJobStore(path, (store) => store.read(readStatus));
  expect(status).toMatchObject({ state: 'running', records: 5, pending: 5, shards: { sealed: 1 } });
  await job.close();
  await (await openJob(path, { mode: 'open' })).close();
});

it('cancels at the wish of another process and keeps what was done', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ speed: 100 });
  const path = join(dir, 'cancel.job');
  const running = runBatchJob({
    ...FAST,
    job: path,
    source: reviews(100),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: 25 },
    service: targetAt(emulator),
    onProgress: ({ shards }) => {
      if ((shards.submitted ?? 0) > 0) void withJobStore(path, requestCancel);
    },
  });
  const status = await running;
  expect(status.state).toBe('cancelled');
  expect(status.ok + status.failed + status.pending).toBe(100);
  expect(status.tokens.enqueued).toBe(0);
});

it('says so when nobody prepares an unprepared job', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'half.job'));
  const submission = submitShards(job, targetAt(emulator), FAST);
  await expect(submission.done).rejects.toMatchObject({ code: 'preparation_incomplete' });
  await job.close();
});

it('yields every final row again after a restart', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const path = join(dir, 'again.job');
  const read = async () => {
    const job = await openJob(path);
    await prepareJob(job, { source: reviews(30), request, limits: { maxRequests: 10 } });
    const ordinals: number[] = [];
    for await (const row of joinResults(job, submitShards(job, targetAt(emulator), FAST))) {
      ordinals.push(row.ordinal);
    }
    await job.close();
    return ordinals.sort((a, b) => a - b);
  };
  const all = reviews(30).map((_, n) => n);
  expect(await read()).toEqual(all);
  expect(await read()).toEqual(all);
});

it('reopens failed rows with a new budget', async () => {
  const dir = await temporaryDirectory();
  let broken = true;
  const emulator = await service({
    answer: () => ({
      status_code: broken ? 500 : 200,
      body: { error: { code: 'server_error', message: 'x' } },
    }),
  });
  const job = await openJob(join(dir, 'retry.job'));
  const options = { ...FAST, maxAttempts: 2, service: targetAt(emulator) };
  const status = await runBatchJob({
    ...options,
    job,
    source: reviews(12),
    request,
    sink: join(dir, 'a.ndjson'),
  });
  expect(status).toMatchObject({ state: 'finished', ok: 0, failed: 12, batches: 2 });
  broken = false;
  expect(await reopenFailed(job)).toBe(12);
  const again = await resumeBatchJob(job, { ...options, sink: join(dir, 'b.ndjson') });
  expect(again).toMatchObject({ state: 'finished', ok: 12, failed: 0, batches: 3 });
  await job.close();
});
