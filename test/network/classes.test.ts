import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { seededRandom } from '../../src/core/clock.ts';
import type { EventRow } from '../../src/core/job.ts';
import type { ResultRow } from '../../src/core/result.ts';
import type { Emulator, FaultRule } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { type JobStatus, readStatus } from '../../src/jobs/status.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import { FAST, reviews, service, temporaryDirectory } from '../jobs/helpers.ts';
import { QUICK } from '../service/server.ts';
import { proxyTo, type Toxic } from './proxy.ts';

/** What a job does about each class of the matrix: once for each. */

const RECORDS = 20;
const SHARDS = 2;
const ALL_OK = { state: 'finished', ok: RECORDS, failed: 0, duplicate_submissions: 0 } as const;

interface Ran {
  readonly status: JobStatus;
  readonly events: readonly EventRow[];
  /** Tries of each row. */
  readonly attempts: readonly number[];
  readonly emulator: Emulator;
}

async function run(...rules: FaultRule[]): Promise<Ran> {
  const emulator = await service({ faults: { rules }, switches: { range: true } });
  return { ...(await runAt(emulator.url, emulator)), emulator };
}

async function jobAt(endpoint: string, { key }: Emulator) {
  const directory = await temporaryDirectory();
  const job = await openJob(join(directory, 'network.job'));
  onTestFinished(() => job.close());
  const sink = join(directory, 'out.ndjson');
  const go = (): Promise<JobStatus> =>
    runBatchJob({
      ...FAST,
      job,
      source: reviews(RECORDS),
      request: { kind: 'prompt', model: 'label-batch', prompt: 'Label: {{text}}' },
      baseModel: 'gpt-4o',
      limits: { maxRequests: RECORDS / SHARDS },
      service: azureOpenAI({ ...QUICK, timeoutMs: 2000, endpoint, apiKey: key }),
      sink,
    });
  const events = () => job.store.read((tx) => tx.events(0, 10_000));
  return { job, go, sink, events };
}

async function runAt(endpoint: string, emulator: Emulator): Promise<Omit<Ran, 'emulator'>> {
  const { go, sink, events } = await jobAt(endpoint, emulator);
  const status = await go();
  const rows = (await readFile(sink, 'utf8')).trim().split('\n');
  const attempts = rows.map((row) => (JSON.parse(row) as ResultRow).attempts.length);
  return { status, events: await events(), attempts };
}

function named(events: readonly EventRow[], type: string): readonly EventRow[] {
  return events.filter((event) => event.type === type);
}

function calls(emulator: Emulator, call: string, status: number): number {
  return emulator.accessLog().filter((entry) => entry.call === call && entry.status === status)
    .length;
}

it('retry: every call fails once, and no step does', async () => {
  const every = [
    'files.upload',
    'files.get',
    'files.content',
    'files.list',
    'batches.list',
  ] as const;
  const { status, events } = await run(
    ...every.map((on) => ({ on, do: 'answer', status: 503, nth: 1 }) as const),
    { on: 'files.delete', do: 'answer', status: 503, nth: 1 },
  );
  expect(status).toMatchObject({ ...ALL_OK, attempts: SHARDS, batches: SHARDS });
  expect(named(events, 'step_failed')).toEqual([]);
});

it('later: a step whose tries are used up is tried again', async () => {
  const { status, events } = await run({ on: 'batches.list', do: 'answer', status: 503, count: 4 });
  expect(status).toMatchObject({ ...ALL_OK, attempts: SHARDS, batches: SHARDS });
  expect(named(events, 'step_failed')).toMatchObject([{ detail: { task: 'poll' } }]);
});

it('adopt: a create whose answer is lost made its batch, and no other is made', async () => {
  const { status, events, emulator } = await run({ on: 'batches.create', do: 'cut-after', nth: 1 });
  expect(status).toMatchObject({ ...ALL_OK, attempts: SHARDS, batches: SHARDS });
  expect(named(events, 'adopted')).toHaveLength(1);
  expect(
    emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null),
  ).toHaveLength(SHARDS);
});

it('resume: a download that is cut goes on by range', async () => {
  const { status, emulator } = await run({
    on: 'files.content',
    do: 'cut-body',
    afterBytes: 1000,
    nth: [1, 2],
  });
  expect(status).toMatchObject({ ...ALL_OK, attempts: SHARDS });
  expect(calls(emulator, 'files.content', 206)).toBeGreaterThan(0);
});

it('wait: a create that is refused for now costs an attempt of the shard, and none of its rows', async () => {
  const { status, events, attempts } = await run({
    on: 'batches.create',
    do: 'answer',
    status: 429,
    nth: 1,
  });
  expect(status).toMatchObject({ ...ALL_OK, attempts: SHARDS + 1, batches: SHARDS });
  expect(named(events, 'refused')).toHaveLength(1);
  expect(new Set(attempts)).toEqual(new Set([1]));
});

it('gone: a file that stays away is uploaded again', async () => {
  const { status, events, attempts } = await run({
    on: 'files.get',
    do: 'answer',
    status: 404,
    count: 40,
  });
  expect(status).toMatchObject(ALL_OK);
  expect(named(events, 'file_not_found').length).toBeGreaterThan(0);
  expect(named(events, 'refused').every(({ detail }) => detail.code === 'file_not_found')).toBe(
    true,
  );
  expect(new Set(attempts)).toEqual(new Set([1]));
});

it('note: files that may not be deleted stay, and the job ends', async () => {
  const { status, events } = await run({ on: 'files.delete', do: 'answer', status: 403 });
  expect(status).toMatchObject({ ...ALL_OK, batches: SHARDS });
  expect(named(events, 'file_kept').length).toBeGreaterThanOrEqual(SHARDS);
});

it('pause: a create that is refused for good drains the target, in the words of the service', async () => {
  const rules = [{ on: 'batches.create', do: 'answer', status: 400 }] as const;
  const emulator = await service({ faults: { rules } });
  const { job, go, events } = await jobAt(emulator.url, emulator);
  const words = /answered 400: A fault script answered with 400/;
  await expect(go()).rejects.toMatchObject({
    code: 'paused',
    message: expect.stringMatching(words),
  });
  expect(named(await events(), 'drained')).toHaveLength(1);
  const paused = await job.store.read(readStatus);
  expect(paused).toMatchObject({ state: 'paused', ok: 0, failed: 0, pending: RECORDS });
  await emulator.setFaults({});
  expect(await go()).toMatchObject({ ...ALL_OK, batches: SHARDS });
});

it('stop: the run ends, nothing is charged, and resume goes on', async () => {
  const rules = [{ on: 'files.upload', do: 'answer', status: 403 }] as const;
  const emulator = await service({ faults: { rules } });
  const { go } = await jobAt(emulator.url, emulator);
  await expect(go()).rejects.toMatchObject({ status: 403 });
  await emulator.setFaults({});
  expect(await go()).toMatchObject({ ...ALL_OK, attempts: SHARDS, batches: SHARDS });
});

it('a row fails by the word of the service about it, and no other with it', async () => {
  const { status, attempts } = await run({
    on: 'batch',
    do: 'fail',
    code: 'invalid_request',
    message: 'no',
    line: 3,
    nth: 1,
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS - 1, failed: 1 });
  expect(attempts.reduce((sum, tries) => sum + tries, 0)).toBe(RECORDS);
});

it('a job over a line that breaks one connection in four loses nothing', async () => {
  const emulator = await service();
  const random = seededRandom(7);
  const ends = ['reset', 'close'] as const;
  const toxic = (): Toxic | null => {
    if (random() > 0.25) return random() < 0.2 ? { sliceBytes: 100 } : null;
    const how = ends[Math.floor(random() * ends.length)] ?? 'close';
    const way = random() < 0.5 ? 'up' : 'down';
    return { end: { way, after: Math.floor(random() * 600), how } };
  };
  await using proxy = await proxyTo(Number(new URL(emulator.url).port), toxic);
  const { status } = await runAt(proxy.origin, emulator);
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(status.tokens.enqueued).toBe(0);
  const made = emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null);
  expect(made).toHaveLength(status.batches + status.duplicate_submissions);
});
