import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import type { BatchService, Upload } from '../../src/core/service.ts';
import type { Store } from '../../src/core/store.ts';
import { cancelJob } from '../../src/jobs/cancel.ts';
import { jobRow } from '../../src/jobs/context.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { purgeJob } from '../../src/jobs/purge.ts';
import { joinResults } from '../../src/jobs/results.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { limitsOfTargets } from '../../src/jobs/target-limits.ts';
import { writeShards } from '../../src/jobs/write-shards.ts';
import { buildRequests } from '../../src/requests/build-requests.ts';
import { azureOpenAI, openAI } from '../../src/service/targets.ts';
import { fromIterable } from '../../src/sources/iterable.ts';
import { countTokens } from '../../src/tokens/count-tokens.ts';
import { all } from '../requests/helpers.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';
import { lossy } from './lossy.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

it('cuts shards by what the strictest target takes, and refuses a limit above it', () => {
  const azure = azureOpenAI({ endpoint: 'https://x.openai.azure.com', apiKey: 'k' });
  const other = openAI({ apiKey: 'k', name: 'other' });
  expect(limitsOfTargets([azure])).toMatchObject({ maxRequests: 100_000 });
  expect(limitsOfTargets([azure, other])).toMatchObject({ maxRequests: 50_000 });
  expect(() => limitsOfTargets([other], { maxRequests: 60_000 })).toThrow(/takes 50000/);
});

it('cuts a shard that was prepared for a service with larger files', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const target = targetAt(emulator);
  const dialect = { ...target.service.dialect, maxRequestsPerFile: 10 };
  const job = await openJob(join(dir, 'smaller.job'));
  const wrapped = lossy(target, {});
  const small = { ...wrapped, service: { ...wrapped.service, dialect } };
  const options = { ...FAST, job, source: reviews(25), request, baseModel: 'gpt-4o' };
  await runBatchJob({ ...options, service: target, maxCost: 0 }).catch(() => undefined);
  const status = await runBatchJob({ ...options, service: small });
  expect(status).toMatchObject({ state: 'finished', ok: 25, failed: 0 });
  expect(status.batches).toBeGreaterThan(2);
  await job.close();
});

it('sends a record alone that takes more than its share of the quota', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ enqueuedTokens: 9000 });
  const source = reviews(30);
  source[7] = { id: 'long', text: 'word '.repeat(4000) };
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'long.job'),
    source,
    request,
    baseModel: 'gpt-4o',
    service: targetAt(emulator, { enqueuedTokens: 9000 }),
  });
  expect(status).toMatchObject({ state: 'finished', ok: 30, rejected: 0, failed: 0 });
});

describe('a job whose every record was rejected', () => {
  it('begins anew with a pipeline that is right now', async () => {
    const dir = await temporaryDirectory();
    const emulator = await service();
    const attempt = async (prompt: string) => {
      const job = await openJob(join(dir, 'typo.job'));
      const plan = await pipeline(
        fromIterable(reviews(3)),
        buildRequests({ model: 'm', prompt }),
        countTokens({ model: 'gpt-4o' }),
        writeShards(job),
      );
      const rows = await all(joinResults(job, submitShards(job, targetAt(emulator), FAST)));
      await job.close();
      return [plan.rejected, ...rows.map(({ status }) => status)];
    };
    expect(await attempt('{{txet}}')).toEqual([3, 'rejected', 'rejected', 'rejected']);
    expect(await attempt('{{txet}}')).toEqual([3, 'rejected', 'rejected', 'rejected']);
    expect(await attempt('{{text}}')).toEqual([0, 'ok', 'ok', 'ok']);
    await expect(attempt('{{id}} {{text}}')).rejects.toMatchObject({ code: 'source_changed' });
  });

  it('begins anew with another source, and keeps what it then has', async () => {
    const dir = await temporaryDirectory();
    const emulator = await service();
    const source = join(dir, 's.ndjson');
    const sink = join(dir, 'out.ndjson');
    const attempt = (lines: readonly string[]) => {
      writeFileSync(source, `${lines.join('\n')}\n`);
      const options = { ...FAST, job: join(dir, 'bad.job'), source, sink, request };
      return runBatchJob({ ...options, baseModel: 'gpt-4o', service: targetAt(emulator) });
    };
    expect(await attempt(['{"text":1', '{'])).toMatchObject({ state: 'finished', rejected: 2 });
    const mended = await attempt(['{"text":"1"}', '{', '{"text":"3"}']);
    expect(mended).toMatchObject({ state: 'finished', ok: 2, rejected: 1 });
    const rows = (await readFile(sink, 'utf8')).trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row).status)).toEqual(['ok', 'rejected', 'ok']);
    await expect(attempt(['{"text":"1"}'])).rejects.toMatchObject({ code: 'spec_changed' });
  });
});

it("gives a service of the caller's own chunks that it may keep", async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  // The deployment of the sealed lines: nothing is put in its place on the way up.
  const target = targetAt(emulator, { deployment: request.model });
  const through = lossy(target, {});
  const gathering: BatchService = {
    ...through.service,
    uploadFile: async (upload: Upload, signal?: AbortSignal) => {
      const chunks = await all(upload.open());
      expect(chunks.length).toBeGreaterThan(6);
      const open = async function* () {
        yield Buffer.concat(chunks);
      };
      return target.service.uploadFile({ ...upload, open }, signal);
    },
  };
  const source = reviews(8).map((review, i) => ({ ...review, text: `${i} `.repeat(500_000) }));
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'kept.job'),
    source,
    request,
    baseModel: 'gpt-4o',
    service: { ...through, service: gathering },
  });
  expect(status).toMatchObject({ state: 'finished', ok: 8 });
});

it('makes every file private, whatever the umask', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const path = join(dir, 'private.job');
  const before = process.umask(0o022);
  try {
    const job = await openJob(path);
    await runBatchJob({ ...FAST, job, source: reviews(3), request, service: targetAt(emulator) });
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      expect([entry.name, mode]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600]);
    }
    await job.close();
  } finally {
    process.umask(before);
  }
});

it('never writes over a source, and never takes other files along', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const csv = join(dir, 'in.csv');
  writeFileSync(csv, 'id,text\n1,a\n');
  const path = join(dir, 'own.job');
  const options = { ...FAST, request, service: targetAt(emulator) };
  const over = runBatchJob({ ...options, job: path, source: csv, sink: csv });
  await expect(over).rejects.toThrow(/is the source itself/);
  expect(await readFile(csv, 'utf8')).toBe('id,text\n1,a\n');
  const job = await openJob(path);
  writeFileSync(join(path, 'thesis.txt'), 'mine');
  await expect(purgeJob(job)).rejects.toThrow(/thesis\.txt/);
  expect(await readFile(join(path, 'thesis.txt'), 'utf8')).toBe('mine');
  await job.close();
});

it('is cancelled by its path, while it runs', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ speed: 100 });
  const path = join(dir, 'asked.job');
  const status = await runBatchJob({
    ...FAST,
    job: path,
    source: reviews(20),
    request,
    service: targetAt(emulator),
    onProgress: ({ shards }) => {
      if ((shards.submitted ?? 0) > 0) void cancelJob(path);
    },
  });
  expect(status).toMatchObject({ state: 'cancelled' });
});

it('stays finished when the wish to cancel comes as it ends', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'late.job'));
  const { store } = job;
  await prepareJob(job, { source: reviews(5), request });
  let wished = false;
  // The wish is read, and the job ends before it is followed.
  const read: Store['read'] = async (fn) => {
    const result = await store.read(fn);
    if (wished || fn !== (jobRow as unknown)) return result;
    if ((await store.read((tx) => tx.countShards())).cleaned !== 1) return result;
    wished = true;
    await store.transaction(async (tx) => {
      await tx.updateJob((await jobRow(tx)).version, { state: 'finished' });
    });
    return { ...result, state: 'running', cancelRequested: true };
  };
  const transaction: Store['transaction'] = (fn) => store.transaction(fn);
  Object.assign(job, { store: { read, transaction, close: () => store.close() } });
  await submitShards(job, targetAt(emulator), FAST).done;
  expect(wished).toBe(true);
  expect((await store.read(jobRow)).state).toBe('finished');
  await job.close();
});
