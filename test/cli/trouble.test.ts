import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Trouble } from '../../src/cli/trouble.ts';
import {
  azureOpenAI,
  buildRequests,
  countTokens,
  openJob,
  submitShards,
  writeShards,
} from '../../src/index.ts';

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
  const detail = { task: 'upload', code: 'connect_failed', wait_ms: 500, reason: 'no such name' };
  await log('step_failed', 'p0000-0000', detail);
  expect(await read()).toBe(
    'the service cannot be reached: no such name (connect_failed); it is tried again',
  );
  await log('submitted', 'p0000-0000');
  await failed('poll', 'https://x.openai.azure.com', 'http_503');
  expect(await read()).toBe('poll fails (http_503); it is tried again');
  expect(await trouble.read(10 * 60 * 1000)).toBeNull();
  await log('completed', 'p0000-0000');
  expect(await read()).toBeNull();
});

test('a service that cannot be reached is told with the reason of the system', async () => {
  await using job = await openJob(join(mkdtempSync(join(tmpdir(), 'millrace-')), 'x.job'));
  await pipeline(
    Readable.from([{ text: 'a' }]),
    buildRequests<{ text: string }>({
      model: 'gpt-4o',
      messages: ({ text }) => [{ role: 'user', content: text }],
    }),
    countTokens({ model: 'gpt-4o' }),
    writeShards(job),
  );
  const stop = new AbortController();
  const target = azureOpenAI({ endpoint: 'http://127.0.0.1:1', apiKey: 'k', retry: { tries: 1 } });
  const { done } = submitShards(job, target, { pollIntervalMs: 50, signal: stop.signal });
  const ended = done.catch((error: unknown) => error);
  const trouble = new Trouble(job.store);
  let seen: string | null = null;
  for (let i = 0; i < 1000 && seen === null; i++) {
    await delay(10);
    seen = await trouble.read(Date.now());
  }
  stop.abort();
  await ended;
  await target.service.close();
  expect(seen).toBe(
    'the service cannot be reached: connect ECONNREFUSED 127.0.0.1:1 (connect_failed); it is tried again',
  );
});
