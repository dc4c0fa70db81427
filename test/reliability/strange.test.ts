import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { BatchObject } from '../../src/core/batch.ts';
import { systemClock } from '../../src/core/clock.ts';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService, Target } from '../../src/core/service.ts';
import type { Emulator, EmulatorOptions } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { purgeJob } from '../../src/jobs/purge.ts';
import { reopenFailed } from '../../src/jobs/reopen.ts';
import { type RunOptions, resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { first, lossy, refusal } from '../jobs/lossy.ts';
import { all } from '../requests/helpers.ts';

// A service that answers strangely, yet within what is known of it: nothing is paid for twice,
// nothing that was paid for is thrown away, and no batch lives on unseen.

const RECORDS = 30;
const SHARDS = 3;
const BASE = {
  ...FAST,
  source: reviews(RECORDS),
  request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
  baseModel: 'gpt-4o',
  limits: { maxRequests: RECORDS / SHARDS },
} as const;

/** The target with some of its calls replaced. */
function bent(target: Target, change: (inner: BatchService) => Partial<BatchService>): Target {
  const { service: plain } = lossy(target, {});
  return { ...target, service: { ...plain, ...change(plain) } };
}

/** Shows each batch as `show` has it. */
function shown(target: Target, show: (batch: BatchObject) => BatchObject | null): Target {
  return bent(target, (inner) => ({
    async *listBatches(signal) {
      for await (const batch of inner.listBatches(signal)) {
        const seen = show(batch);
        if (seen !== null) yield seen;
      }
    },
    async getBatch(id, signal) {
      const seen = show(await inner.getBatch(id, signal));
      if (seen === null) throw refusal(404, 'notFound');
      return seen;
    },
  }));
}

async function run(target: Target | Target[], more: Partial<RunOptions<unknown>> = {}) {
  const job = await openJob(join(await temporaryDirectory(), 'strange.job'));
  try {
    const status = await runBatchJob({ ...BASE, job, service: target, ...more });
    const events = await job.store.read((tx) => tx.events(0, 10_000));
    return { status, events: events.map(({ type }) => type) };
  } finally {
    await job.close();
  }
}

function ends(emulator: Emulator): string[] {
  const ended = /^(completed|failed|expired|cancelled)$/;
  return emulator
    .eventLog()
    .filter(({ kind, to }) => kind === 'batch' && ended.test(to))
    .map(({ to }) => to);
}

/** A service that counts how often it answers each row. */
async function counting(options: EmulatorOptions = {}) {
  const answered = new Map<string, number>();
  const emulator = await service({
    answer: ({ custom_id }) => {
      answered.set(custom_id, (answered.get(custom_id) ?? 0) + 1);
      return 'fine';
    },
    ...options,
  });
  return { emulator, most: () => Math.max(...answered.values()) };
}

it('waits for file ids that a completed batch shows late, and pays for nothing twice', async () => {
  const { emulator, most } = await counting();
  const looks = new Map<string, number>();
  const target = shown(targetAt(emulator), (batch) => {
    if (batch.status !== 'completed') return batch;
    const look = (looks.get(batch.id) ?? 0) + 1;
    looks.set(batch.id, look);
    return look < 3 ? { ...batch, outputFileId: null, errorFileId: null } : batch;
  });
  const { status } = await run(target);
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: SHARDS });
  expect(most()).toBe(1);
});

it('keeps what a batch answered before it failed for the token limit', async () => {
  const emulator = await service({
    switches: { failedShape: 'failed_at' },
    faults: {
      rules: [{ on: 'batch', do: 'fail', code: 'token_limit_exceeded', share: 0.5, nth: 1 }],
    },
  });
  const { status } = await run(targetAt(emulator), { maxAttempts: 1 });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  const answered = emulator.eventLog().reduce((sum, { detail }) => {
    return sum + Number(detail.completed ?? 0);
  }, 0);
  expect(answered).toBe(RECORDS);
});

it('cancels and counts a batch that was given up and is there again', async () => {
  const emulator = await service({ faults: { rules: [{ on: 'batch', do: 'stall', nth: 1 }] } });
  let lost: string | null = null;
  let made = 0;
  const target = shown(targetAt(emulator), (batch) => {
    lost ??= batch.id;
    if (batch.id === lost) {
      made = Math.max(
        made,
        emulator.accessLog().filter(({ call }) => call === 'batches.create').length,
      );
      return made > 1 ? batch : null;
    }
    return batch;
  });
  const { status } = await run(target, { limits: { maxRequests: RECORDS } });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, duplicate_submissions: 1 });
  expect(ends(emulator).toSorted()).toEqual(['cancelled', 'completed']);
});

it('finds the duplicate at a service that does not repeat the metadata', async () => {
  const emulator = await service({ speed: 200 });
  const made: string[] = [];
  const target = lossy(
    shown(targetAt(emulator), (batch) => ({ ...batch, metadata: {} })),
    {
      loseCreateAnswer: ({ id }) => {
        made.push(id);
        return made.length === 1;
      },
      visible: ({ id }) => made.length > 1 || id !== made[0],
    },
  );
  const { status } = await run(target, { submitGraceMs: 100, limits: { maxRequests: RECORDS } });
  expect(status).toMatchObject({ ok: RECORDS, batches: 1, duplicate_submissions: 1 });
});

describe('a duplicate', () => {
  /** The batch whose create was not answered is shown once `shows` says so. */
  async function twice(emulator: Emulator, shows: (made: readonly string[]) => boolean) {
    const made: string[] = [];
    const target = lossy(targetAt(emulator), {
      loseCreateAnswer: ({ id }) => {
        made.push(id);
        return made.length === 1;
      },
      visible: ({ id }) => id !== made[0] || shows(made),
    });
    return run(target, { submitGraceMs: 100, limits: { maxRequests: RECORDS } });
  }

  const stalls = { on: 'batch', do: 'stall', nth: 1 } as const;

  it('that shows up when all else is over has to end before the job does', async () => {
    const emulator = await service({ faults: { rules: [stalls] } });
    const { status } = await twice(emulator, () => {
      return emulator.accessLog().some(({ call }) => call === 'files.content');
    });
    expect(status).toMatchObject({ state: 'finished', ok: RECORDS, duplicate_submissions: 1 });
    expect(ends(emulator).toSorted()).toEqual(['cancelled', 'completed']);
  });

  it('whose cancelling is refused is cancelled again', async () => {
    const refused = { on: 'batches.cancel', do: 'answer', status: 403, count: 6 } as const;
    const emulator = await service({ faults: { rules: [stalls, refused] } });
    const { status } = await twice(emulator, (made) => made.length > 1);
    expect(status).toMatchObject({ state: 'finished', ok: RECORDS, duplicate_submissions: 1 });
    expect(ends(emulator).toSorted()).toEqual(['cancelled', 'completed']);
  });
});

it('fetches answers again that ended early, at the end of a line', async () => {
  const { emulator, most } = await counting();
  const cuts = first(1);
  const target = bent(targetAt(emulator), (inner) => ({
    async downloadFile(id, offset, signal) {
      const download = await inner.downloadFile(id, offset, signal);
      if (!cuts()) return download;
      const body = Buffer.concat(await all(download.body));
      const lines = (async function* () {
        yield body.subarray(0, body.indexOf('\n') + 1);
      })();
      return { ...download, length: null, body: lines };
    },
  }));
  const { status } = await run(target, { limits: { maxRequests: RECORDS } });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: 1 });
  expect(most()).toBe(1);
});

it('leaves a batch alone whose create is still being answered when a poll shows it', async () => {
  const emulator = await service({ speed: 500 });
  let lists = 0;
  let creates = 0;
  const target = bent(targetAt(emulator), (inner) => ({
    async createBatch(batch, signal) {
      creates += 1;
      const last = creates === SHARDS;
      const created = await inner.createBatch(batch, signal);
      for (const before = lists; last && lists < before + 3; ) await setTimeout(5);
      return created;
    },
    async *listBatches(signal) {
      yield* inner.listBatches(signal);
      lists += 1;
    },
  }));
  const { status } = await run(target);
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, duplicate_submissions: 0 });
  expect(ends(emulator)).toEqual(['completed', 'completed', 'completed']);
});

it('gives no answers up because the clock was set ahead', async () => {
  const emulator = await service();
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const job = await openJob(join(await temporaryDirectory(), 'ahead.job'), { clock });
  const late = first(3);
  const target = bent(targetAt(emulator), (inner) => ({
    downloadFile(id, offset, signal) {
      if (!late()) return inner.downloadFile(id, offset, signal);
      aheadMs += 60 * 60 * 1000;
      throw refusal(404, 'notFound');
    },
  }));
  const limits = { maxRequests: RECORDS };
  const status = await runBatchJob({ ...BASE, limits, job, service: target });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, batches: 1 });
});

it('looks again for a create without an answer when the next one did not get out', async () => {
  const emulator = await service({ speed: 200 });
  const made: string[] = [];
  let down = 0;
  const target = bent(targetAt(emulator), (inner) => ({
    async createBatch(batch, signal) {
      if (made.length > 0 && down++ < 1) {
        throw new ServiceError('connect_failed', 'no way out', {
          status: null,
          outcome: 'unsent',
          retryable: true,
        });
      }
      const created = await inner.createBatch(batch, signal);
      made.push(created.batch.id);
      if (made.length > 1) return created;
      throw new ServiceError('connection_lost', 'the connection was reset', {
        status: null,
        outcome: 'unknown',
        retryable: true,
      });
    },
    async *listBatches(signal) {
      for await (const batch of inner.listBatches(signal)) if (down > 0) yield batch;
    },
  }));
  const { status } = await run(target, { submitGraceMs: 100, limits: { maxRequests: RECORDS } });
  expect(status).toMatchObject({ ok: RECORDS, batches: 1, duplicate_submissions: 0 });
  expect(made).toHaveLength(1);
});

it('uploads a file again that goes before its batch is made', async () => {
  const emulator = await service();
  const plain = targetAt(emulator);
  const gone = first(1);
  const target = bent(plain, (inner) => ({
    async createBatch(batch, signal) {
      if (gone()) await inner.deleteFile(batch.inputFileId);
      return inner.createBatch(batch, signal);
    },
  }));
  const { status } = await run(target);
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
});

it('uploads a file again that stays pending', async () => {
  const emulator = await service({
    faults: { rules: [{ on: 'file', do: 'pending', seconds: 1e9, nth: 1 }] },
  });
  const { status, events } = await run(targetAt(emulator));
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(events).toContain('refused');
});

it('asks for a pending file no more than twelve times a poll', async () => {
  const emulator = await service({ switches: { pendingSeconds: [20_000, 20_000] } });
  const pollIntervalMs = 600;
  const begun = Date.now();
  const { status } = await run(targetAt(emulator), {
    pollIntervalMs,
    limits: { maxRequests: RECORDS },
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, attempts: 1 });
  const looks = emulator.accessLog().filter(({ call }) => call === 'files.get').length;
  expect(looks).toBeGreaterThan(3);
  expect(looks).toBeLessThanOrEqual(2 + (12 * (Date.now() - begun)) / pollIntervalMs);
});

it('takes a stated limit of zero for none', async () => {
  const emulator = await service();
  const target = bent(targetAt(emulator), (inner) => ({
    async createBatch(batch, signal) {
      const created = await inner.createBatch(batch, signal);
      return { ...created, queue: { enqueuedTokens: 0, maximumEnqueuedTokens: 0 } };
    },
  }));
  const { status } = await run(target);
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
});

describe('rows of a batch that was cancelled by our own wish', () => {
  it.each(['missing', 'error'] as const)('have not used up an attempt: %s', async (lines) => {
    // Its batches run until they are cancelled, however late the wish comes.
    const switches = {
      cancelledLines: lines,
      cancellingSeconds: [0, 0],
      runningSeconds: [80_000, 80_000],
    } as const;
    const emulator = await service({ speed: 600, switches });
    const job = await openJob(join(await temporaryDirectory(), 'again.job'));
    const options = { ...BASE, job, service: targetAt(emulator), limits: { maxRequests: RECORDS } };
    for (let round = 0; round < 3; round += 1) {
      const cancelled = await runBatchJob({
        ...options,
        onProgress: ({ shards, state }) => {
          if (state !== 'running' || (shards.running ?? 0) === 0) return;
          void job.store.transaction(async (tx) => {
            const row = await tx.job();
            if (row?.state === 'running')
              await tx.updateJob(row.version, { cancelRequested: true });
          });
        },
      });
      expect(cancelled).toMatchObject({ state: 'cancelled', failed: 0 });
    }
    const quick = targetAt(await service());
    const status = await resumeBatchJob(job, { ...FAST, service: quick });
    await job.close();
    expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  });
});

describe('purge', () => {
  it('refuses while a batch lives that the job never heard of', async () => {
    const emulator = await service({ speed: 50 });
    const path = join(await temporaryDirectory(), 'unheard.job');
    const job = await openJob(path);
    const stop = new AbortController();
    const target = lossy(targetAt(emulator), {
      loseCreateAnswer: () => {
        void setTimeout(50).then(() => stop.abort());
        return true;
      },
      visible: () => false,
    });
    const running = runBatchJob({ ...BASE, job, service: target, signal: stop.signal });
    await expect(running).rejects.toThrow(/abort/i);
    await expect(purgeJob(job, [targetAt(emulator)])).rejects.toMatchObject({
      code: 'job_running',
    });
    await job.close();
  });
});

it('sends a single record again that no quota admitted, once one does', async () => {
  const emulator = await service();
  const source = reviews(6);
  source[3] = { id: 'long', text: 'word '.repeat(3000) };
  const job = await openJob(join(await temporaryDirectory(), 'one.job'));
  const narrow = targetAt(emulator, { enqueuedTokens: 900 });
  const options = { ...BASE, job, source, limits: { maxTokens: 1_000_000 } };
  expect(await runBatchJob({ ...options, service: narrow })).toMatchObject({ ok: 5, failed: 1 });
  expect(await reopenFailed(job)).toBe(1);
  const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator) });
  await job.close();
  expect(status).toMatchObject({ state: 'finished', ok: 6, failed: 0 });
});
