import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulator, startEmulator } from '../../src/emulator/index.ts';
import { millrace, ndjson, workplace } from './command.ts';

// A service of its own process, reached as a real one is: by URL and key from the environment.

const KEY = 'canary-key-5f2a';
let emulator: Emulator;
let broken = true;

beforeAll(async () => {
  emulator = await startEmulator({
    key: KEY,
    speed: 2000,
    answer: ({ custom_id }) =>
      broken && /-[13]$/.test(custom_id)
        ? { status_code: 400, body: { error: { code: 'content_filter', message: 'filtered' } } }
        : 'fine',
  });
});
afterAll(() => emulator.close());

const FAST = ['--poll-interval', '200ms', '--submit-grace', '3s'];
const REQUEST = ['--model', 'gpt-4o', '--prompt', 'canary prompt {{text}}'];

function env(): Record<string, string> {
  return { AZURE_OPENAI_ENDPOINT: emulator.url, AZURE_OPENAI_API_KEY: KEY };
}

describe('a service in the environment', () => {
  const { source, job, out } = workplace(6);
  const said: string[] = [];

  const call = async (...args: string[]) => {
    const done = await millrace(args, { env: env() });
    said.push(done.stdout, done.stderr);
    return done;
  };

  test('run ends with 2 when rows failed, and says how to try them again', async () => {
    const { code, stderr } = await call(
      'run',
      source,
      '--job',
      job,
      '--out',
      out,
      ...REQUEST,
      ...FAST,
    );
    expect(code).toBe(2);
    expect(stderr).toContain('6: 4 ok, 2 failed, 0 rejected');
    expect(stderr).toContain(`retry --job ${job}`);
    expect(stderr).toContain('at batch prices');
    const failed = ndjson(out).filter(({ status }) => status === 'failed');
    expect(failed.map(({ ordinal }) => ordinal)).toEqual([1, 3]);
  });

  test('a finished job is resumed without any service', async () => {
    const { code, stderr } = await millrace(['resume', '--job', job]);
    expect(stderr).toContain('4 ok, 2 failed');
    expect(code).toBe(2);
  });

  test('retry without the service says where the batches are', async () => {
    const nowhere = await millrace(['retry', '--job', job]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toContain('no service was named');
    const elsewhere = await millrace(['retry', '--job', job], {
      env: { ...env(), AZURE_OPENAI_ENDPOINT: 'https://other.openai.azure.com' },
    });
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toContain(`this job's batches are at ${emulator.url}`);
    const status = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
    expect(status).toMatchObject({ state: 'finished', failed: 2 });
  });

  test('retry sends the failed rows again and writes the output anew', async () => {
    broken = false;
    const { code, stderr } = await call('retry', '--job', job);
    expect(stderr).toContain('2 rows reopened.');
    expect(stderr).toContain('6: 6 ok, 0 failed');
    expect(code).toBe(0);
    const rows = ndjson(out);
    expect(rows.map(({ ordinal, status }) => [ordinal, status])).toEqual(
      Array.from({ length: 6 }, (_, i) => [i, 'ok']),
    );
    expect(rows[3]?.attempts).toHaveLength(2);
  });

  test('neither the key nor a prompt is in what was said or kept', () => {
    expect(said.join('')).not.toMatch(/canary/);
    const kept = readdirSync(job, { recursive: true, encoding: 'utf8' })
      .map((name) => join(job, name))
      .filter((path) => statSync(path).isFile());
    for (const path of kept) expect(readFileSync(path, 'latin1'), path).not.toContain(KEY);
  });

  test('purge without the service says how to remove what is here alone', async () => {
    const { code, stderr } = await millrace(['purge', '--job', job, '--yes']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no service was named.*--local-only/);
  });

  test('purge removes the files at the service too', async () => {
    const { code, stderr } = await call('purge', '--job', job, '--yes');
    expect(code).toBe(0);
    expect(stderr).toMatch(/and \d+ files at the service/);
    const response = await fetch(`${emulator.url}/openai/files?api-version=2024-10-21`, {
      headers: { 'api-key': KEY },
    });
    expect(await response.json()).toMatchObject({ data: [] });
  });

  test('a job that nobody works on is cancelled by cancel itself', async () => {
    const place = workplace(4);
    const request = ['--model', 'gpt-4o', '--prompt', '{{text}}'];
    await millrace(['prepare', place.source, '--job', place.job, ...request]);
    const noted = await millrace(['cancel', '--job', place.job]);
    expect(noted.code).toBe(1);
    expect(noted.stderr).toContain('the wish to cancel is noted');
    const done = await millrace(['cancel', '--job', place.job, ...FAST], { env: env() });
    expect(done.code).toBe(0);
    expect(done.stderr).toContain('cancelled');
    const status = JSON.parse((await millrace(['status', '--job', place.job, '--json'])).stdout);
    expect(status).toMatchObject({ state: 'cancelled', pending: 4 });
  });
});
