import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FaultScript } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import type { JobStatus } from '../../src/jobs/status.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';

const RECORDS = 30;

async function runWith(faults: FaultScript): Promise<{ status: JobStatus; events: string[] }> {
  const dir = await temporaryDirectory();
  const emulator = await service({ faults });
  const job = await openJob(join(dir, 'loss.job'));
  const status = await runBatchJob({
    ...FAST,
    job,
    source: reviews(RECORDS),
    request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
    baseModel: 'gpt-4o',
    limits: { maxRequests: 10 },
    maxAttempts: 5,
    service: targetAt(emulator),
  });
  const events = (await job.store.read((tx) => tx.events(0, 10_000))).map(({ type }) => type);
  await job.close();
  return { status, events };
}

/** What the service does to a batch, and what becomes of the job: every row comes back. */
const CASES: readonly { what: string; faults: FaultScript['rules']; says?: string }[] = [
  {
    what: 'answers that are shown late',
    faults: [{ on: 'files.content', do: 'answer', status: 404, count: 2 }],
    says: 'answers_not_found',
  },
  {
    what: 'answers that are gone for ever',
    faults: [{ on: 'batch', do: 'lost-content', nth: 1 }],
    says: 'answers_incomplete',
  },
  {
    what: 'a body that ends early without a word',
    faults: [{ on: 'files.content', do: 'short-body', bytes: 1000, count: 1 }],
    says: 'answers_not_found',
  },
  {
    what: 'a body that is cut',
    faults: [{ on: 'files.content', do: 'cut-body', afterBytes: 1500, count: 3 }],
  },
  {
    what: 'a batch that the service forgets',
    faults: [
      { on: 'batch', do: 'hide', ms: 60_000, nth: 1 },
      { on: 'batches.get', do: 'answer', status: 404 },
    ],
    says: 'batch_not_found',
  },
  {
    what: 'a file that is shown late',
    faults: [{ on: 'files.get', do: 'answer', status: 404, count: 2 }],
    says: 'file_not_found',
  },
  { what: 'a file that the service could not read', faults: [{ on: 'file', do: 'error', nth: 1 }] },
  {
    what: 'a batch that expired half done',
    faults: [{ on: 'batch', do: 'expire', share: 0.5, nth: 1 }],
  },
  {
    what: 'a batch that somebody cancelled',
    faults: [{ on: 'batch', do: 'cancel', share: 0.3, nth: 2 }],
  },
  {
    what: 'a batch that failed half done',
    faults: [{ on: 'batch', do: 'fail', code: 'server_error', share: 0.4, nth: 1 }],
  },
  {
    what: 'a batch without its files',
    faults: [{ on: 'batch', do: 'no-file', which: 'both', nth: 1 }],
  },
  {
    what: 'a file whose deletion is refused',
    faults: [{ on: 'files.delete', do: 'answer', status: 403 }],
    says: 'file_kept',
  },
];

describe('every row comes back after', () => {
  for (const { what, faults = [], says } of CASES) {
    it(what, async () => {
      const { status, events } = await runWith({ rules: faults });
      expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
      expect(status.tokens.enqueued).toBe(0);
      if (says !== undefined) expect(events).toContain(says);
    });
  }
});

it('fails the one row that validation names, and sends the rest again', async () => {
  const { status } = await runWith({
    rules: [{ on: 'batch', do: 'fail', code: 'invalid_request', line: 3, nth: 1 }],
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS - 1, failed: 1 });
});

it('leaves no file at the service when uploads were stored and not answered', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({
    faults: { rules: [{ on: 'files.upload', do: 'cut-after', count: 2 }] },
  });
  const target = targetAt(emulator);
  const status = await runBatchJob({
    ...FAST,
    job: join(dir, 'orphan.job'),
    source: reviews(RECORDS),
    request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
    baseModel: 'gpt-4o',
    limits: { maxRequests: 10 },
    service: target,
  });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS });
  const left: string[] = [];
  for await (const file of target.service.listFiles()) left.push(file.name);
  expect(left).toEqual([]);
});
