import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EMULATOR_KEY, type FaultScript } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { FAST, reviews, service, temporaryDirectory } from '../jobs/helpers.ts';

const RECORDS = 20;

async function jobWith(faults: FaultScript) {
  const dir = await temporaryDirectory();
  const emulator = await service({ faults });
  let tokens = 0;
  const target = azureOpenAI({
    endpoint: emulator.url,
    deployment: 'label-batch',
    credential: {
      async getToken() {
        tokens += 1;
        return { token: EMULATOR_KEY, expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    },
  });
  const job = await openJob(join(dir, 'auth.job'));
  const run = () =>
    runBatchJob({
      ...FAST,
      job,
      source: reviews(RECORDS),
      request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
      baseModel: 'gpt-4o',
      limits: { maxRequests: 10 },
      service: target,
    });
  return { emulator, job, run, target, tokens: () => tokens };
}

it('sends the whole file again with a new token when one dies in mid-upload', async () => {
  const { emulator, job, run, target, tokens } = await jobWith({
    rules: [{ on: 'files.upload', do: 'answer', status: 401, afterBytes: 2000, count: 1 }],
  });
  expect(await run()).toMatchObject({ state: 'finished', ok: RECORDS, attempts: 2, batches: 2 });
  expect(tokens()).toBe(2);
  const uploads = emulator.accessLog().filter(({ call }) => call === 'files.upload');
  expect(uploads.filter(({ status }) => status === 401)).toHaveLength(1);
  expect(uploads).toHaveLength(3);
  const left: string[] = [];
  for await (const file of target.service.listFiles()) left.push(file.id);
  expect(left).toEqual([]);
  await job.close();
});

it('asks for a new token between the pages of a list', async () => {
  const { job, run, tokens } = await jobWith({
    rules: [{ on: 'batches.list', do: 'answer', status: 401, nth: 2 }],
  });
  expect(await run()).toMatchObject({ state: 'finished', ok: RECORDS, batches: 2 });
  expect(tokens()).toBe(2);
  await job.close();
});

it('stops when the role is revoked, burns no attempt, and goes on when it is back', async () => {
  const { emulator, job, run } = await jobWith({
    rules: [{ on: '*', do: 'answer', status: 403, after: 6 }],
  });
  await expect(run()).rejects.toMatchObject({ status: 403 });
  const stopped = await job.store.read(readStatus);
  // By when the role was gone, the preparation may or may not have ended.
  expect(stopped.state).toMatch(/^(preparing|running)$/);
  expect(stopped.failed).toBe(0);
  await emulator.setFaults({});
  const status = await run();
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, attempts: 2, batches: 2 });
  await job.close();
});
