import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { TokenCredential } from '../../src/core/service.ts';
import { loadCredential, tokenAuthorizer } from '../../src/service/credentials.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import { BATCH, faultServer, json, QUICK } from './server.ts';

const MINUTE = 60 * 1000;

function setup(get: (scope: string | string[]) => Promise<string | null>, lifeMs = 60 * MINUTE) {
  let now = 1_000_000;
  const clock = { now: () => now, sleep: async () => undefined };
  const credential: TokenCredential = {
    async getToken(scope) {
      const token = await get(scope);
      return token === null ? null : { token, expiresOnTimestamp: now + lifeMs };
    },
  };
  const authorizer = tokenAuthorizer(credential, 'scope', clock, 300);
  return { authorizer, pass: (ms: number) => (now += ms) };
}

describe('a token', () => {
  test('is got once for all who ask at the same time, and kept', async () => {
    let calls = 0;
    const { authorizer } = setup(async () => {
      await delay(5);
      return `t${++calls}`;
    });
    const headers = await Promise.all(Array.from({ length: 20 }, () => authorizer.header()));
    expect(new Set(headers.map((header) => header.value))).toEqual(new Set(['Bearer t1']));
    await authorizer.header();
    expect(calls).toBe(1);
  });

  test('is renewed five minutes before it expires', async () => {
    let calls = 0;
    const { authorizer, pass } = setup(async () => `t${++calls}`);
    await authorizer.header();
    pass(54 * MINUTE);
    expect((await authorizer.header()).value).toBe('Bearer t1');
    pass(2 * MINUTE);
    expect((await authorizer.header()).value).toBe('Bearer t2');
  });

  test('outlives an identity service that is down while it is still good', async () => {
    let calls = 0;
    const { authorizer, pass } = setup(async () => {
      if (++calls > 1) throw new Error('down');
      return 't1';
    });
    await authorizer.header();
    pass(57 * MINUTE);
    expect((await authorizer.header()).value).toBe('Bearer t1');
    pass(4 * MINUTE);
    await expect(authorizer.header()).rejects.toMatchObject({
      code: 'auth_failed',
      outcome: 'unsent',
      retryable: true,
    });
  });

  test('that cannot be renewed for a moment is no reason to give up, unless somebody must log in', async () => {
    const unavailable = (words: string) =>
      Object.assign(new Error(words), { name: 'CredentialUnavailableError' });
    const failures: Record<string, boolean> = {
      'ManagedIdentityCredential: Network unreachable. Message: network_error': true,
      "Azure CLI: please run 'az login' to log in": false,
      'AADSTS700082: The refresh token has expired due to inactivity': false,
    };
    for (const [words, passing] of Object.entries(failures)) {
      let calls = 0;
      const { authorizer, pass } = setup(async () => {
        if (++calls > 1) throw unavailable(words);
        return 't1';
      });
      await authorizer.header();
      pass(61 * MINUTE);
      await expect(authorizer.header()).rejects.toMatchObject({ retryable: passing });
      // Before the first token it says that this machine has no such credential.
      const { authorizer: fresh } = setup(() => Promise.reject(unavailable(words)));
      await expect(fresh.header()).rejects.toMatchObject({ retryable: false });
    }
  });

  test('refused by many is replaced once', async () => {
    let calls = 0;
    const { authorizer } = setup(async () => `t${++calls}`);
    const old = await authorizer.header();
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        expect(authorizer.refused(old)).toBe(true);
        expect((await authorizer.header()).value).toBe('Bearer t2');
      }),
    );
    expect(calls).toBe(2);
  });

  test('one who gives up does not take it from the others', async () => {
    const { authorizer } = setup(async () => {
      await delay(20);
      return 't1';
    });
    const controller = new AbortController();
    const quitter = authorizer.header(controller.signal);
    const other = authorizer.header();
    controller.abort(new Error('enough'));
    await expect(quitter).rejects.toThrow('enough');
    expect((await other).value).toBe('Bearer t1');
    const { signal } = new AbortController();
    await setup(async () => 't').authorizer.header(signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('that never comes is an error, and is asked for again', async () => {
    let calls = 0;
    const { authorizer } = setup(() =>
      ++calls === 1 ? new Promise(() => undefined) : Promise.resolve('t'),
    );
    await expect(authorizer.header()).rejects.toMatchObject({ code: 'auth_failed' });
    expect((await authorizer.header()).value).toBe('Bearer t');
  });

  test('failures: which of them waiting may heal', async () => {
    const named = (name: string) => Object.assign(new Error('no'), { name });
    const status = (statusCode: number) => Object.assign(new Error('no'), { statusCode });
    const cases: [unknown, boolean][] = [
      [named('CredentialUnavailableError'), false],
      [named('AggregateAuthenticationError'), false],
      [status(400), false],
      [status(503), true],
      [new Error('ECONNRESET'), true],
    ];
    for (const [failure, retryable] of cases) {
      const { authorizer } = setup(() => Promise.reject(failure));
      await expect(authorizer.header()).rejects.toMatchObject({ code: 'auth_failed', retryable });
    }
    const thrown = setup(() => {
      throw new Error('at once');
    });
    await expect(thrown.authorizer.header()).rejects.toThrow('at once');
    await expect(thrown.authorizer.header()).rejects.toThrow('at once');
    const nothing = setup(async () => null);
    await expect(nothing.authorizer.header()).rejects.toThrow(/gave no token/);
  });
});

test('a call asks for the token again when that may help, and sends nothing before', async () => {
  await using server = await faultServer(json(BATCH));
  let calls = 0;
  const credential: TokenCredential = {
    async getToken(scope) {
      expect(scope).toBe('https://cognitiveservices.azure.com/.default');
      if (++calls < 3) throw new Error('down');
      return { token: 'tok', expiresOnTimestamp: Date.now() + 60 * MINUTE };
    },
  };
  const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, credential });
  const batch = { inputFileId: 'f', endpoint: '/responses', metadata: {} } as const;
  await expect(service.createBatch(batch)).rejects.toMatchObject({ outcome: 'unsent' });
  await service.getBatch('b');
  expect(calls).toBe(3);
  expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer tok']);
  expect(server.seen[0]!.headers['api-key']).toBeUndefined();
  await service.close();
});

test('a credential of @azure/identity is made by its name', async () => {
  expect(await loadCredential('cli')).toHaveProperty('getToken');
  expect(await loadCredential('managed-identity')).toHaveProperty('getToken');
});

test.skipIf(process.platform === 'win32')('the member of a chain that won is named', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-az-'));
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const token = { accessToken: 'canary', expires_on: expires, tokenType: 'Bearer' };
  writeFileSync(join(folder, 'az'), `#!/bin/sh\necho '${JSON.stringify(token)}'\n`, {
    mode: 0o700,
  });
  const { PATH, AZURE_TOKEN_CREDENTIALS } = process.env;
  process.env.PATH = `${folder}:${PATH}`;
  // The members before it ask the network.
  process.env.AZURE_TOKEN_CREDENTIALS = 'dev';
  try {
    const clock = { now: () => Date.now(), sleep: async () => undefined };
    const authorizer = tokenAuthorizer(await loadCredential('default'), SCOPE, clock);
    expect(authorizer.describe()).toBe('DefaultAzureCredential');
    expect(await authorizer.header()).toEqual({ name: 'authorization', value: 'Bearer canary' });
    expect(authorizer.describe()).toBe('AzureCliCredential of DefaultAzureCredential');
  } finally {
    process.env.PATH = PATH;
    if (AZURE_TOKEN_CREDENTIALS === undefined) delete process.env.AZURE_TOKEN_CREDENTIALS;
    else process.env.AZURE_TOKEN_CREDENTIALS = AZURE_TOKEN_CREDENTIALS;
    rmSync(folder, { recursive: true, force: true });
  }
});

const SCOPE = 'https://cognitiveservices.azure.com/.default';
