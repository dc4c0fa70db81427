import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Trouble } from '../../src/cli/trouble.ts';
import { openJob } from '../../src/jobs/job.ts';

test('what keeps failing is told until there is other news of it, or none for long', async () => {
  await using job = await openJob(join(mkdtempSync(join(tmpdir(), 'millrace-')), 'x.job'));
  const log = (type: string, subject: string, detail = {}) =>
    job.store.transaction((tx) => tx.appendEvent({ at: 1000, type, subject, detail }));
  const failed = (task: string, subject: string, code: string) =>
    log('step_failed', subject, { task, code, wait_ms: 500 });
  const trouble = new Trouble(job.store);
  const read = () => trouble.read(2000);

  expect(await read()).toBeNull();
  await failed('upload', 'p0000-0000', 'connect_failed');
  await log('granted', 'p0000-0001');
  expect(await read()).toBe('the service cannot be reached (connect_failed); it is tried again');
  await log('submitted', 'p0000-0000');
  expect(await read()).toBeNull();
  await failed('poll', 'https://x.openai.azure.com', 'http_503');
  expect(await read()).toBe('poll fails (http_503); it is tried again');
  expect(await trouble.read(10 * 60 * 1000)).toBeNull();
  await log('completed', 'p0000-0000');
  expect(await read()).toBeNull();
});
