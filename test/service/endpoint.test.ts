import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { cloudOf } from '../../src/service/endpoint.ts';
import {
  azureOpenAI,
  dialectOf,
  LOCAL_KEY_PREFIX,
  openAI,
  serviceFromEnv,
} from '../../src/service/index.ts';
import { BATCH, faultServer, json, QUICK } from './server.ts';

describe('dialects by URL', () => {
  test.each([
    ['https://r.openai.azure.com', 'azure'],
    ['https://r.openai.azure.com/', 'azure'],
    ['https://r.openai.azure.com/openai/', 'azure'],
    ['https://gateway.example/team/openai', 'azure'],
    ['https://r.services.ai.azure.com/openai/v1/', 'azure-v1'],
    ['https://api.openai.com/v1', 'openai'],
    ['http://127.0.0.1:8080/v1', 'openai'],
  ])('%s is %s', (url, name) => {
    expect(dialectOf(url).name).toBe(name);
  });

  test('another path is a question back', () => {
    expect(() => dialectOf('https://r.openai.azure.com/openai/deployments/d')).toThrow(UsageError);
  });

  test('resources', () => {
    const resource = (endpoint: string) => azureOpenAI({ endpoint, apiKey: 'k' }).service.resource;
    expect(resource('https://r.openai.azure.com/')).toBe('https://r.openai.azure.com/openai');
    expect(resource('https://g.example/t/openai/')).toBe('https://g.example/t/openai');
    expect(openAI({ apiKey: 'k' }).service.resource).toBe('https://api.openai.com/v1');
  });
});

describe('where credentials may go', () => {
  const make = (endpoint: string, apiKey = 'canary-key') => azureOpenAI({ endpoint, apiKey });

  test.each([
    ['http://r.openai.azure.com', /plain http to this machine/],
    ['http://127.0.0.1.evil.example', /plain http to this machine/],
    ['http://localhost.evil.example', /plain http to this machine/],
    ['http://0.0.0.0:80', /plain http to this machine/],
    ['ftp://r.openai.azure.com', /https/],
    ['https://user:secret@r.openai.azure.com', /user name or a password/],
    ['https://r.openai.azure.com/openai?api-key=secret', /query/],
    ['r.openai.azure.com?k=secret', /not a URL/],
  ])('%s is refused', (endpoint, words) => {
    expect(() => make(endpoint)).toThrow(words);
    expect(() => make(endpoint)).toThrow(UsageError);
    expect(() => make(endpoint)).not.toThrow(/secret|canary/);
  });

  test.each(['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1', 'https://own.example'])(
    '%s is taken',
    (endpoint) => {
      expect(() => make(endpoint)).not.toThrow();
    },
  );

  test('the local key stays on this machine', () => {
    expect(() => make('https://r.openai.azure.com', `${LOCAL_KEY_PREFIX}key`)).toThrow(UsageError);
    expect(() => make('http://127.0.0.1:1', `${LOCAL_KEY_PREFIX}key`)).not.toThrow();
  });

  test('keys that cannot be one, and pairs of options', () => {
    expect(() => make('https://r.openai.azure.com', ' ')).toThrow(/empty/);
    expect(() => make('https://r.openai.azure.com', 'a\nb')).toThrow(/copy it again/);
    const endpoint = 'https://r.openai.azure.com';
    expect(() => azureOpenAI({ endpoint })).toThrow(/no credentials/);
    const credential = { getToken: async () => null };
    expect(() => azureOpenAI({ endpoint, apiKey: 'k', credential })).toThrow(/choose one/);
    expect(() => azureOpenAI({ endpoint, apiKey: 'k', timeoutMs: 0 })).toThrow(/timeoutMs/);
  });

  test('a redirect is not followed', async () => {
    await using other = await faultServer(json(BATCH));
    await using server = await faultServer(
      json({}, 302, { location: `${other.origin}/x?k=secret` }),
    );
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    const call = service.getBatch('b');
    await expect(call).rejects.toMatchObject({ code: 'redirected' });
    await expect(call).rejects.not.toThrow(/secret/);
    expect(other.count()).toBe(0);
    await service.close();
  });

  test('clouds have scopes of their own', () => {
    expect(cloudOf('https://r.openai.azure.com').scope).toContain('azure.com/');
    expect(cloudOf('https://r.openai.azure.us').scope).toContain('azure.us/');
    expect(cloudOf('https://r.openai.azure.cn').scope).toContain('azure.cn/');
    expect(cloudOf('https://r.azure.us.example').scope).toContain('azure.com/');
  });
});

describe('from the environment', () => {
  const env = {
    AZURE_OPENAI_ENDPOINT: 'https://r.openai.azure.com\n',
    AZURE_OPENAI_API_KEY: 'k',
    OPENAI_API_VERSION: '2025-01-01',
  };

  test('without a service it says what to set', async () => {
    await expect(serviceFromEnv({}, {})).rejects.toThrow(/AZURE_OPENAI_ENDPOINT.*--service local/);
    await expect(serviceFromEnv({}, { AZURE_OPENAI_ENDPOINT: ' ' })).rejects.toThrow(UsageError);
  });

  test('endpoint, key and deployment', async () => {
    const target = await serviceFromEnv({ deployment: 'd', enqueuedTokens: 90_000 }, env);
    expect(target).toMatchObject({ name: 'default', deployment: 'd', enqueuedTokens: 90_000 });
    expect(target.service.resource).toBe('https://r.openai.azure.com/openai');
  });

  test('versions: the flag, the environment, the default; none for v1', async () => {
    await using server = await faultServer(json(BATCH));
    const calls: [string, string | undefined, Record<string, string>][] = [
      ['', '2030-01-01', env],
      ['', undefined, env],
      ['', undefined, { AZURE_OPENAI_API_KEY: 'k' }],
      ['/openai/v1', undefined, env],
    ];
    for (const [path, apiVersion, vars] of calls) {
      const settings = { ...QUICK, service: server.origin + path, apiVersion };
      const { service } = await serviceFromEnv(settings, vars);
      await service.getBatch('b');
      await service.close();
    }
    expect(server.seen.map(({ url }) => url.searchParams.get('api-version'))).toEqual([
      '2030-01-01',
      '2025-01-01',
      '2024-10-21',
      null,
    ]);
  });

  test('keys: each service its own', async () => {
    const service = 'https://api.openai.com/v1';
    await expect(serviceFromEnv({ service }, env)).rejects.toThrow(/OPENAI_API_KEY is not set/);
    await expect(serviceFromEnv({ service, auth: 'cli' }, env)).rejects.toThrow(/is for Azure/);
    expect((await serviceFromEnv({ service }, { OPENAI_API_KEY: 'k' })).deployment).toBeNull();
    const local = { service: 'http://127.0.0.1:1' };
    await expect(serviceFromEnv(local, {})).rejects.toThrow(/AZURE_OPENAI_API_KEY is not set/);
    const keyless = { AZURE_OPENAI_ENDPOINT: env.AZURE_OPENAI_ENDPOINT };
    await expect(serviceFromEnv({ auth: 'key' }, keyless)).rejects.toThrow(/is not set/);
    expect((await serviceFromEnv({}, keyless)).service.dialect.name).toBe('azure');
  });
});

describe('behind a proxy', () => {
  afterEach(() => void vi.unstubAllEnvs());

  test('https goes through a tunnel, this machine is asked directly', async () => {
    const tunnels: string[] = [];
    let plain = 0;
    const proxy = createServer(() => plain++);
    proxy.on('connect', (request, socket) => {
      tunnels.push(`${request.url} ${JSON.stringify(request.headers)}`);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    vi.stubEnv('HTTPS_PROXY', address);
    vi.stubEnv('HTTP_PROXY', address);
    for (const name of ['NO_PROXY', 'no_proxy', 'https_proxy', 'http_proxy']) vi.stubEnv(name, '');
    vi.stubEnv('https_proxy', undefined);
    vi.stubEnv('http_proxy', undefined);

    const far = azureOpenAI({ ...QUICK, endpoint: 'https://r.example', apiKey: 'canary-key' });
    const batch = { inputFileId: 'f', endpoint: '/responses', metadata: {} } as const;
    await expect(far.service.createBatch(batch)).rejects.toMatchObject({ outcome: 'unsent' });
    await far.service.close();
    expect(tunnels).toHaveLength(1);
    expect(tunnels[0]).toMatch(/^r\.example:443 /);
    expect(tunnels[0]).not.toContain('canary');

    await using server = await faultServer(json(BATCH));
    const near = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    await near.service.getBatch('b');
    await near.service.close();
    expect(plain).toBe(0);
    proxy.close();
    proxy.closeAllConnections();
  });
});
