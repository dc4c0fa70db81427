import { expect, test } from 'vitest';
import { rateLimitWaitMs } from '../../src/core/retry.ts';
import { startEmulator } from '../../src/emulator/index.ts';
import { batchFilter, statusFilter } from '../../src/service/filter.ts';
import { azureOpenAI, openAI } from '../../src/service/index.ts';
import { toBatch } from '../../src/service/wire.ts';
import { BATCH, faultServer, json } from './server.ts';

// What depends on the version of a service's API, and the filter of its list.

const DAYS = 24 * 60 * 60 * 1000;
const content = Buffer.from('{}\n');
const upload = {
  name: 'a.jsonl',
  bytes: content.length,
  async *open() {
    yield content;
  },
};

test.each([
  ['azure', '2024-10-21', null, 500],
  ['azure', '2025-01-01-preview', null, 500],
  ['azure', '2025-03-01-preview', 14 * DAYS, 10_000],
  ['azure-v1', undefined, 14 * DAYS, 10_000],
  ['openai', undefined, 14 * DAYS, 10_000],
] as const)('%s %s lets input files expire: %s ms', async (profile, apiVersion, life, maxFiles) => {
  await using emulator = await startEmulator({ profile });
  const { url, key: apiKey } = emulator;
  const endpoint = url + (profile === 'azure' ? '' : '/openai/v1');
  const { service } =
    profile === 'openai'
      ? openAI({ baseURL: `${url}/v1`, apiKey })
      : azureOpenAI({ endpoint, apiKey, apiVersion });
  const { createdAt, expiresAt } = await service.uploadFile(upload);
  await service.close();
  expect(expiresAt === null ? null : expiresAt - (createdAt ?? 0)).toBe(life);
  expect(service.dialect.maxFiles).toBe(maxFiles);
});

const batch = toBatch({ id: 'b', status: 'in_progress', created_at: 1_700_000_000 })!;

test.each([
  ['created_at gt 1699999999', true],
  ['created_at gt 1700000000', false],
  ['created_at ge 2023-11-14T22:13:20Z and created_at lt 1800000000', true],
  ["status eq 'InProgress'", true],
  ["status ne 'InProgress' or created_at eq 1700000000", true],
  ['not_a_field eq 1', null],
  ["(status eq 'Completed' or status eq 'in_progress') and created_at le 1700000000", true],
  ["status eq 'Completed' and (created_at le 1700000000", null],
  ["status gt 'Completed'", null],
  ["status eq 'constructor'", null],
  ['created_at gt', null],
  ['created_at toString 1', null],
  ['', null],
  ["status eq 'Completed' status", null],
])('the filter %j holds: %s', (text, holds) => {
  if (holds === null) expect(() => batchFilter(text)).toThrow(/cannot be read/);
  else expect(batchFilter(text)(batch)).toBe(holds);
});

test('statuses are named by kind or by name, in any spelling', () => {
  expect(statusFilter('completed, live')(batch)).toBe(true);
  expect(statusFilter('InProgress')(batch)).toBe(true);
  expect(statusFilter('ended')(batch)).toBe(false);
});

test.each([
  ['0', '6m0s', 360_000],
  ['0', '1m30.5s', 90_500],
  ['0', '20ms', 20],
  ['0', '5h', 600_000],
  ['1', '6m0s', undefined],
  [undefined, '6m0s', undefined],
  ['0', 'soon', undefined],
  ['0', undefined, undefined],
])('with %s calls left until %s, the next one waits %s ms', (left, reset, wait) => {
  const headers: Record<string, string | undefined> = {
    'x-ratelimit-remaining-requests': left,
    'x-ratelimit-reset-requests': reset,
  };
  expect(rateLimitWaitMs((name) => headers[name])).toBe(wait);
});

test('an answer that was the last one for now puts off the next call', async () => {
  const headers = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '7s' };
  await using server = await faultServer(json(BATCH, 200, headers));
  const waits: number[] = [];
  const clock = {
    now: () => waits.reduce((sum, ms) => sum + ms, 0),
    sleep: async (ms: number) => {
      waits.push(ms);
    },
  };
  const { service } = azureOpenAI({ endpoint: server.origin, apiKey: 'k', clock });
  await service.getBatch('b');
  expect(waits).toEqual([]);
  await service.getBatch('b');
  await service.close();
  expect(waits).toEqual([7000]);
});

test('a clock that is set back does not put off calls by as much', async () => {
  const headers = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '7s' };
  await using server = await faultServer(json(BATCH, 200, headers));
  const waits: number[] = [];
  let now = 1e12;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      waits.push(ms);
      now += ms;
    },
  };
  const { service } = azureOpenAI({ endpoint: server.origin, apiKey: 'k', clock });
  await service.getBatch('b');
  now -= 24 * 60 * 60 * 1000;
  await service.getBatch('b');
  await service.close();
  expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(10 * 60 * 1000);
});
