import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { joinResults } from '../../src/jobs/results.ts';
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
