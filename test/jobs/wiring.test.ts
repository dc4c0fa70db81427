import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { joinResults } from '../../src/jobs/results.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { writeShards } from '../../src/jobs/write-shards.ts';
import { buildRequests } from '../../src/requests/build-requests.ts';
import { parseNdjson } from '../../src/sources/ndjson.ts';
import { mapRecords } from '../../src/streams/records.ts';
import { countTokens } from '../../src/tokens/count-tokens.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

/** What plain JavaScript can do: any stage behind any other. */
const build = buildRequests({
  model: 'm',
  messages: () => [{ role: 'user', content: 'Hi' }],
});

it.each([
  ['countTokens takes the requests of buildRequests()', [countTokens({ model: 'gpt-4o' })]],
  ['writeShards takes the counted requests of countTokens()', [build]],
  ['mapRecords takes what a parser or fromIterable() yields', [mapRecords((r) => r), build]],
  ['a parser takes bytes or text, and was given an item of type Object', [parseNdjson(), build]],
])('says of stages that are wired wrongly: %s', async (message, stages) => {
  const job = await openJob(join(await temporaryDirectory(), 'wired.job'));
  const stream = pipeline([reviews(3), ...stages, writeShards(job)] as never);
  await expect(stream).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(message),
  });
  await job.close();
});

it('refuses a second submission beside the first, and lets the first be read again', async () => {
  const emulator = await service({ speed: 500 });
  const job = await openJob(join(await temporaryDirectory(), 'both.job'));
  await prepareJob(job, { source: reviews(30), request, limits: { maxRequests: 5 } });
  const target = targetAt(emulator);
  const submission = submitShards(job, target, FAST);
  await expect(submitShards(job, target, FAST).done).rejects.toMatchObject({ code: 'usage' });
  for await (const _ of joinResults(job, submission)) break;
  let rows = 0;
  for await (const _ of joinResults(job, submission)) rows += 1;
  expect(rows).toBe(30);
  await submission.done;
  await submitShards(job, target, FAST).done;
  await job.close();
});

it('says of a job that was closed that it is', async () => {
  const emulator = await service({ speed: 500 });
  const job = await openJob(join(await temporaryDirectory(), 'closed.job'));
  await prepareJob(job, { source: reviews(3), request });
  await job.close();
  await expect(submitShards(job, targetAt(emulator)).done).rejects.toMatchObject({
    code: 'job_closed',
  });
});

it('ends a run by what the caller throws while it goes on, and takes it up again', async () => {
  const emulator = await service({ speed: 20 });
  const job = join(await temporaryDirectory(), 'told.job');
  const run = { ...FAST, job, source: reviews(6), request, service: targetAt(emulator) };
  const onProgress = () => {
    throw new Error('of the caller');
  };
  await expect(runBatchJob({ ...run, onProgress })).rejects.toThrow('of the caller');
  expect(await runBatchJob({ ...run, source: reviews(6) })).toMatchObject({ ok: 6 });
});

it('says what is no sink', async () => {
  const emulator = await service({ speed: 500 });
  const job = join(await temporaryDirectory(), 'sink.job');
  const sink = { write: () => undefined, close: () => undefined } as never;
  const run = { ...FAST, job, source: reviews(3), request, service: targetAt(emulator), sink };
  await expect(runBatchJob(run)).rejects.toThrow(/write, close and abort/);
});

it.each([
  ['no service was given', { service: [] }],
  ['no service was given', { service: undefined as never }],
  ['pollIntervalMs is NaN; it must be a number of milliseconds', { pollIntervalMs: Number.NaN }],
  ['the source is no path, no stream and no iterable', { source: 5 as never }],
  ['maxAttempts is 0; it must be a positive whole number', { maxAttempts: 0 }],
])('refuses what no run can keep to: %s', async (message, options) => {
  const job = join(await temporaryDirectory(), 'never.job');
  const target = targetAt(await service());
  const run = { ...FAST, job, source: reviews(3), request, service: target, ...options };
  await expect(runBatchJob(run)).rejects.toThrow(message);
});

it('refuses two targets of one name', async () => {
  const target = targetAt(await service());
  const job = join(await temporaryDirectory(), 'names.job');
  const run = { ...FAST, job, source: reviews(3), request, service: [target, target] };
  await expect(runBatchJob(run)).rejects.toThrow(/two targets have the name "default"/);
});
