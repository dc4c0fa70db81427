import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { BatchObject } from '../../src/core/batch.ts';
import type { Target } from '../../src/core/service.ts';
import type { Emulator, EmulatorOptions } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { purgeJob } from '../../src/jobs/purge.ts';
import { joinResults } from '../../src/jobs/results.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import type { JobStatus } from '../../src/jobs/status.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { type Faults, first, lossy } from '../jobs/lossy.ts';
import { type Azurite, namesIn, startAzurite } from './azurite.ts';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite[Symbol.asyncDispose]());

const RECORDS = 40;
const SHARDS = 4;
const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

/** A container, a service that may use it, and a target that does, for one test. */
async function place(name: string, options: EmulatorOptions = {}) {
  const container = await azurite.container(name);
  const emulator = await service({
    speed: 5000,
    blobStorage: azurite.connectionString,
    ...options,
  });
  const target = azureOpenAI({
    endpoint: emulator.url,
    apiKey: emulator.key,
    deployment: 'label-batch',
    blob: {
      container: `${azurite.url}/${name}/in/here`,
      connectionString: azurite.connectionString,
    },
  });
  onTestFinished(() => target.service.close());
  return { container, emulator, target };
}

interface Ran {
  readonly status: JobStatus;
  readonly ordinals: number[];
  readonly events: readonly string[];
}

async function run(
  target: Target | readonly Target[],
  settings: { submitGraceMs?: number } = {},
): Promise<Ran> {
  const job = await openJob(join(await temporaryDirectory(), 'blobs.job'));
  onTestFinished(() => job.close());
  const status = await runBatchJob({
    ...FAST,
    ...settings,
    job,
    source: reviews(RECORDS),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests: RECORDS / SHARDS },
    service: target,
  });
  const ordinals: number[] = [];
  for await (const { ordinal } of joinResults(job, submitShards(job, target)))
    ordinals.push(ordinal);
  const events = await job.store.read((tx) => tx.events(0, 1000));
  return { status, ordinals, events: events.map(({ type }) => type) };
}

function creates(emulator: Emulator): number {
  return emulator
    .accessLog()
    .filter(({ call, status }) => call === 'batches.create' && status < 300).length;
}

const ALL = Array.from({ length: RECORDS }, (_, ordinal) => ordinal);

describe('a job by Blob storage', () => {
  test('brings every row back once, by no file of the service, and leaves no blob', async () => {
    const { container, emulator, target } = await place('whole', {
      faults: { rules: [{ on: 'line', do: 'content-filter', customIds: ['blobs-7'] }] },
    });
    const { status, ordinals, events } = await run(target);
    expect(status).toMatchObject({ state: 'finished', ok: RECORDS - 1, failed: 1 });
    expect(ordinals.sort((a, b) => a - b)).toEqual(ALL);
    expect(events).not.toContain('answers_not_found');
    const calls = emulator.accessLog().map(({ call }) => call ?? '');
    expect(calls.filter((call) => call.startsWith('files.'))).toEqual([]);
    expect(creates(emulator)).toBe(SHARDS);
    expect(await namesIn(container)).toEqual([]);
  });

  test('reads the answers of a batch none of whose lines succeeded', async () => {
    const { container, target } = await place('all-failed', {
      faults: { rules: [{ on: 'line', do: 'content-filter' }] },
    });
    const { status, events } = await run(target);
    expect(status).toMatchObject({ ok: 0, failed: RECORDS });
    expect(events).not.toContain('answers_not_found');
    expect(await namesIn(container)).toEqual([]);
  });

  test('finds a batch by its blob when the answer to its create was lost', async () => {
    const { container, emulator, target } = await place('lost-create', {
      faults: { rules: [{ on: 'batches.create', nth: [1, 3], do: 'cut-after' }] },
    });
    const { status, events } = await run(target, { submitGraceMs: 20_000 });
    expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS, duplicate_submissions: 0 });
    expect(events.filter((type) => type === 'adopted')).toHaveLength(2);
    expect(creates(emulator)).toBe(SHARDS);
    expect(await namesIn(container)).toEqual([]);
  });

  test('cancels the duplicate that a lost answer and a late list leave, and its answers go', async () => {
    const { container, emulator, target } = await place('duplicate', {
      speed: 200,
      faults: {
        rules: [
          { on: 'batches.create', nth: 1, do: 'cut-after' },
          { on: 'batch', nth: 1, do: 'hide', ms: 600 },
        ],
      },
    });
    const { status, ordinals } = await run(target, { submitGraceMs: 200 });
    expect(status).toMatchObject({ ok: RECORDS, duplicate_submissions: 1 });
    expect(ordinals.sort((a, b) => a - b)).toEqual(ALL);
    expect(creates(emulator)).toBe(SHARDS + 1);
    expect(await namesIn(container)).toEqual([]);
  });

  test('adopts the blob of an upload whose answer was lost', async () => {
    const { container, target } = await place('lost-upload');
    const faults: Faults = { loseUploadAnswer: first(2) };
    const { uploads, counted } = counting(target);
    const { status } = await run(lossy(counted, faults));
    expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS });
    expect(uploads()).toBe(SHARDS);
    expect(await namesIn(container)).toEqual([]);
  });

  test('a resource that may not read the container takes no more, in the words of the service', async () => {
    const { container, emulator, target } = await place('forbidden');
    const blind = await service({ speed: 5000 });
    const there = azureOpenAI({
      endpoint: blind.url,
      apiKey: blind.key,
      blob: {
        container: `${azurite.url}/forbidden`,
        connectionString: azurite.connectionString,
      },
    });
    onTestFinished(() => there.service.close());
    await expect(run(there)).rejects.toThrow(/input_no_permissions: The managed identity/);
    expect(creates(emulator)).toBe(0);
    expect(target.service.resource).toBe(
      `${emulator.url}/openai with ${azurite.url}/forbidden/in/here`,
    );
    expect((await namesIn(container)).length).toBeLessThanOrEqual(SHARDS);
  });

  test('reads and deletes answers where the service says that they are', async () => {
    const { container, target } = await place('elsewhere');
    const moved = new Set<string>();
    const service = new Proxy(target.service, {
      get(inner, name) {
        const value: unknown = Reflect.get(inner, name);
        if (name !== 'listBatches') return typeof value === 'function' ? value.bind(inner) : value;
        return async function* (signal?: AbortSignal): AsyncGenerator<BatchObject> {
          for await (const batch of inner.listBatches(signal)) yield await move(batch);
        };
      },
    });
    const move = async (batch: BatchObject): Promise<BatchObject> => {
      if (batch.outputFileId === null) return batch;
      const from = container.getBlockBlobClient(
        decodeURIComponent(new URL(batch.outputFileId).pathname.split('/').slice(3).join('/')),
      );
      const to = container.getBlockBlobClient(`answers of all/${batch.id}.jsonl`);
      if (!moved.has(batch.id)) {
        moved.add(batch.id);
        const answers = await from.downloadToBuffer();
        await to.upload(answers, answers.length);
        await from.delete();
      }
      return { ...batch, outputFileId: to.url };
    };
    const { status } = await run({ ...target, service });
    expect(status).toMatchObject({ ok: RECORDS, batches: SHARDS });
    expect(moved.size).toBe(SHARDS);
    expect(await namesIn(container)).toEqual([]);
  });

  test('goes by blobs to one target and by files to another of the same resource', async () => {
    const { container, emulator, target } = await place('mixed', { enqueuedTokens: 5000 });
    const files = { ...targetAt(emulator), name: 'files' };
    onTestFinished(() => files.service.close());
    const limited = [target, files].map((one) => ({ ...one, enqueuedTokens: 1500 }));
    const { status, ordinals } = await run(limited);
    expect(status).toMatchObject({ ok: RECORDS, duplicate_submissions: 0 });
    expect(status.batches).toBe(creates(emulator));
    expect(ordinals.sort((a, b) => a - b)).toEqual(ALL);
    const made = emulator.eventLog().flatMap(({ kind, from, detail }) => {
      const input = detail.inputFileId;
      return kind === 'batch' && from === null && typeof input === 'string' ? [input] : [];
    });
    const kinds = new Set(made.map((input) => input.startsWith('http')));
    expect(kinds).toEqual(new Set([true, false]));
    expect(await namesIn(container)).toEqual([]);
    for await (const file of files.service.listFiles()) expect(file).toBeNull();
  });

  test('purge deletes the blobs of a job that was cancelled, and nobody else’s', async () => {
    const { container, target } = await place('purged');
    const other = container.getBlockBlobClient('in/here/millrace.other.00.p0000-0000.1.x.y.jsonl');
    await other.upload('{}', 2);
    const job = await openJob(join(await temporaryDirectory(), 'blobs.job'));
    const left = `in/here/millrace.blobs.${job.uid}.p0000-0000.1.default.00`;
    await container.getBlockBlobClient(`${left}.jsonl`).upload('{}', 2);
    await container.getBlockBlobClient(`${left}/some-guid/results.jsonl`).upload('{}', 2);
    const late = `in/here/millrace.blobs.${job.uid}.p0000-0001.1.default.00/g/errors.jsonl`;
    await container.getBlockBlobClient(late).upload('{}', 2);
    await purgeJob(job, [target]);
    expect(await namesIn(container)).toEqual([other.name]);
  });
});

/** Counts the uploads that began. */
function counting(target: Target): { uploads: () => number; counted: Target } {
  let uploads = 0;
  const service = new Proxy(target.service, {
    get(inner, name) {
      const value: unknown = Reflect.get(inner, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'uploadFile') uploads += 1;
        return Reflect.apply(value, inner, args);
      };
    },
  });
  return { uploads: () => uploads, counted: { ...target, service } };
}
