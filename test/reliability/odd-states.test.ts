import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ServiceError } from '../../src/core/errors.ts';
import type { Target } from '../../src/core/service.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { openJob } from '../../src/jobs/job.ts';
import { reopenFailed } from '../../src/jobs/reopen.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { lossy } from '../jobs/lossy.ts';

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
    speed: 2000,
    faults: { rules: [{ on: 'batch', do: 'expire', share: 0.5, nth: 1 }] },
    answer: ({ custom_id }) =>
      strict && Number(custom_id.split('-').at(-1)) % 2 === 0
        ? { status_code: 400, body: { error: { code: 'content_filter', message: 'no' } } }
        : 'fine',
  });
  const job = await openJob(join(dir, 'odd.job'));
  let wished = false;
  const cancelled = await runBatchJob({
    ...BASE,
    job,
    service: targetAt(emulator),
    onProgress: ({ shards }) => {
      if (wished || (shards.submitted ?? 0) + (shards.running ?? 0) === 0) return;
      wished = true;
      void requestCancel(job.store);
    },
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
