import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService, Target } from '../../src/core/service.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { DEFAULT_SETTINGS, jobRow } from '../../src/jobs/context.ts';
import { openJob } from '../../src/jobs/job.ts';
import { deleteOrphans } from '../../src/jobs/orphans.ts';
import { reopenFailed } from '../../src/jobs/reopen.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import type { JobStatus } from '../../src/jobs/status.ts';
import { clean } from '../../src/jobs/steps/clean.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { dropFailed } from '../../src/join/drop-failed.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { lossy } from '../jobs/lossy.ts';
import { all } from '../requests/helpers.ts';

// Verbs at moments that they were not meant for, and targets that are not what they were.

const RECORDS = 30;
const BASE = {
  ...FAST,
  source: reviews(RECORDS),
  request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
  baseModel: 'gpt-4o',
} as const;

async function ordinals(path: string): Promise<number[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line).ordinal);
}

const EACH = Array.from({ length: RECORDS }, (_, n) => n);

it('keeps the rows that a cancelled shard had left over when its failed rows are reopened', async () => {
  const dir = await temporaryDirectory();
  let strict = true;
  const emulator = await service({
    faults: { rules: [{ on: 'batch', do: 'expire', share: 0.5, nth: 1 }] },
    answer: ({ custom_id }) =>
      strict && Number(custom_id.split('-').at(-1)) % 2 === 0
        ? { status_code: 400, body: { error: { code: 'content_filter', message: 'no' } } }
        : 'fine',
  });
  const job = await openJob(join(dir, 'odd.job'));
  const target = targetAt(emulator);
  const { service: through } = lossy(target, {});
  // The wish is followed while the answers are read: what is left over is not sent any more.
  const downloadFile: BatchService['downloadFile'] = async (...call) => {
    await requestCancel(job.store);
    job.notify();
    while ((await job.store.read(jobRow)).state !== 'cancelling') await setTimeout(5);
    return through.downloadFile(...call);
  };
  const cancelled = await runBatchJob({
    ...BASE,
    job,
    service: { ...target, service: { ...through, downloadFile } },
  });
  expect(cancelled.state).toBe('cancelled');
  expect(cancelled.failed).toBeGreaterThan(0);
  expect(cancelled.pending).toBeGreaterThan(0);
  strict = false;
  const out = join(dir, 'out.ndjson');
  expect(await reopenFailed(job)).toBe(cancelled.failed);
  const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator), sink: out });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(await ordinals(out)).toEqual(EACH);
});

it('writes every row again after a retry', async () => {
  const dir = await temporaryDirectory();
  let strict = true;
  const emulator = await service({
    answer: ({ custom_id }) =>
      strict && Number(custom_id.split('-').at(-1)) % 3 === 0
        ? { status_code: 400, body: { error: { code: 'content_filter', message: 'no' } } }
        : 'fine',
  });
  const job = await openJob(join(dir, 'again.job'));
  const out = join(dir, 'out.ndjson');
  await runBatchJob({ ...BASE, job, service: targetAt(emulator), sink: out });
  strict = false;
  expect(await reopenFailed(job)).toBe(10);
  const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator), sink: out });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(await ordinals(out)).toEqual(EACH);
});

it('keeps reopened rows whose reopening was cut short, though their shard is to be cleaned', async () => {
  const dir = await temporaryDirectory();
  let strict = true;
  const emulator = await service({
    answer: () =>
      strict
        ? { status_code: 400, body: { error: { code: 'content_filter', message: 'no' } } }
        : 'fine',
  });
  const target = targetAt(emulator);
  const job = await openJob(join(dir, 'cut.job'));
  const { store, directory, clock, random } = job;
  await runBatchJob({ ...BASE, job, service: target });
  strict = false;
  expect(await reopenFailed(job)).toBe(RECORDS);
  const [shard] = await store.read((tx) => tx.shards());
  // The process ended behind this, before the store knew of it.
  await dropFailed(directory.path, shard?.name ?? '');
  const targets = new Map([[target.name, target]]);
  const context = { job, directory, store, targets, clock, random, settings: DEFAULT_SETTINGS };
  const task = { kind: 'clean', id: shard?.name ?? '', runAt: 0, seq: 0 } as const;
  await clean(context, task, new AbortController().signal);
  const status = await resumeBatchJob(job, { ...FAST, service: target });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
});

it('deletes no file that an attempt has, when it looks for those that none has', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ speed: 20 });
  const target = targetAt(emulator);
  const job = await openJob(join(dir, 'wanted.job'));
  const stop = new AbortController();
  const onProgress = ({ batches }: JobStatus) => {
    if (batches > 0) stop.abort();
  };
  const { signal } = stop;
  const running = runBatchJob({ ...BASE, job, service: target, signal, onProgress });
  await expect(running).rejects.toThrow(/abort/i);
  const { store, directory, clock, random } = job;
  const targets = new Map([[target.name, target]]);
  const context = { job, directory, store, targets, clock, random, settings: DEFAULT_SETTINGS };
  await deleteOrphans(context, target.service, new AbortController().signal);
  await job.close();
  expect(await all(target.service.listFiles())).toHaveLength(1);
});

it('refuses another service under the name of one whose answers are still to be read', async () => {
  const dir = await temporaryDirectory();
  const [emulator, other] = [await service(), await service()];
  const job = await openJob(join(dir, 'moved.job'));
  const stop = new AbortController();
  const held: Target = targetAt(emulator);
  held.service.downloadFile = async () => {
    stop.abort();
    throw stop.signal.reason;
  };
  const running = runBatchJob({ ...BASE, job, service: held, signal: stop.signal });
  await expect(running).rejects.toThrow(/abort/i);
  const moved = resumeBatchJob(job, { ...FAST, service: targetAt(other) });
  await expect(moved).rejects.toMatchObject({ code: 'unknown_target' });
  const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator) });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: 1 });
  await job.close();
});

it('goes on with other batches while one of them cannot be read', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const { service: plain, ...target } = targetAt(emulator);
  const through = lossy({ ...target, service: plain }, {}).service;
  let unread = '';
  let others = 0;
  const status = await runBatchJob({
    ...BASE,
    job: join(dir, 'unread.job'),
    limits: { maxRequests: 10 },
    service: {
      ...target,
      service: {
        ...through,
        async createBatch(batch, signal) {
          const created = await through.createBatch(batch, signal);
          unread ||= created.batch.id;
          return created;
        },
        async *listBatches(signal) {
          for await (const batch of through.listBatches(signal)) {
            if (others === 20 || batch.id !== unread) yield batch;
          }
        },
        async getBatch(id, signal) {
          if (id !== unread) return through.getBatch(id, signal);
          throw new ServiceError('internalFailure', 'answered 500', {
            status: 500,
            outcome: 'unknown',
            retryable: true,
          });
        },
      },
    },
    onProgress: ({ ok }) => {
      others = Math.max(others, ok);
    },
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: 3 });
});

it('does not call itself finished when its accounts do not add up', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'accounts.job'));
  await runBatchJob({ ...BASE, job, service: targetAt(emulator) });
  await job.store.transaction(async (tx) => {
    const [shard] = await tx.shards();
    if (shard !== undefined) await tx.moveShard(shard.name, shard.version, { ok: RECORDS - 1 });
    await tx.updateJob((await jobRow(tx)).version, { state: 'running' });
  });
  const again = submitShards(job, targetAt(emulator), FAST).done;
  await expect(again).rejects.toMatchObject({ code: 'accounts', message: /30 records.*29 ok/ });
  expect((await job.store.read(jobRow)).state).toBe('running');
  await job.close();
});
