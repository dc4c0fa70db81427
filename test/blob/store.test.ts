import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Target, TokenCredential } from '../../src/core/service.ts';
import { fetchFile } from '../../src/jobs/download.ts';
import { limitsOfTargets } from '../../src/jobs/target-limits.ts';
import { loadStorage } from '../../src/service/blob/connect.ts';
import { parsePlace } from '../../src/service/blob/place.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { resolveLimits } from '../../src/shards/limits.ts';
import { temporaryDirectory } from '../jobs/helpers.ts';
import { faultServer, type Handler } from '../service/server.ts';
import { type Azurite, namesIn, startAzurite } from './azurite.ts';

const SIGNATURE = 'sig=canary%2Bsignature';
const QUICK = { timeoutMs: 300, retry: { tries: 3, baseMs: 1, maxMs: 2 } };

/** A target whose container is at an account of the test's. */
function at(account: string, options: Partial<Parameters<typeof azureOpenAI>[0]> = {}): Target {
  const target = azureOpenAI({
    endpoint: 'https://unused.openai.azure.com',
    apiKey: 'unused',
    blob: { container: `${account}/held/folder`, sasToken: `?sv=1&${SIGNATURE}` },
    ...QUICK,
    ...options,
  });
  onTestFinished(() => target.service.close());
  return target;
}

const url = (account: string, name: string) => `${account}/held/folder/${name}`;

async function failure(work: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const caught: unknown = await work.then(
    () => new Error('nothing failed'),
    (error: unknown) => error,
  );
  return caught as Error & Record<string, unknown>;
}

describe('a storage account that misbehaves', () => {
  const told = (status: number, code: string): Handler => {
    return (_request, response) => {
      response.writeHead(status, {
        'content-type': 'application/xml',
        'x-ms-error-code': code,
        'x-ms-request-id': 'r-1',
      });
      response.end(
        `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No for ?${SIGNATURE}\nTime: now</Message></Error>`,
      );
    };
  };
  const found: Handler = (_request, response) => {
    response.writeHead(200, { 'content-length': '7', etag: '"1"' }).end();
  };

  test('is asked again when it is busy', async () => {
    await using server = await faultServer(told(503, 'ServerBusy'), told(500, 'x'), found);
    const account = `${server.origin}/account`;
    const file = await at(account).service.getFile(url(account, 'millrace.a.jsonl'));
    expect(file).toMatchObject({ bytes: 7, status: 'processed', name: 'millrace.a.jsonl' });
    expect(server.count()).toBe(3);
  });

  test('is given up after the last try, and says so', async () => {
    await using server = await faultServer(told(503, 'ServerBusy'));
    const account = `${server.origin}/account`;
    const error = await failure(at(account).service.getFile(url(account, 'millrace.a.jsonl')));
    expect(error).toMatchObject({ name: 'ServiceError', status: 503, retryable: true });
    expect(server.count()).toBe(3);
  });

  test('refuses once, with a hint and without the signature', async () => {
    await using server = await faultServer(told(403, 'AuthorizationPermissionMismatch'));
    const account = `${server.origin}/account`;
    const { service } = at(account);
    const upload = { name: 'millrace.a.jsonl', bytes: 2, open: () => bytes(['{}']) };
    const error = await failure(service.uploadFile(upload));
    expect(error).toMatchObject({ status: 403, outcome: 'refused', retryable: false });
    expect(error.message).toContain('Storage Blob Data Contributor');
    expect(server.count()).toBe(1);
    const shown = `${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.cause)}`;
    expect(shown).not.toContain('canary');
  });

  test('that refuses a block ends the upload at once, while its source still gives', async () => {
    await using server = await faultServer(told(403, 'AuthorizationFailure'));
    const account = `${server.origin}/account`;
    let given = 0;
    const open = async function* () {
      for (; given < 50; given += 1) {
        yield Buffer.alloc(5 * 1024 * 1024);
        await new Promise((go) => setTimeout(go, 20));
      }
    };
    const upload = { name: 'millrace.a.jsonl', bytes: 50 * 5 * 1024 * 1024, open };
    const error = await failure(at(account).service.uploadFile(upload));
    expect(error).toMatchObject({ name: 'ServiceError', status: 403 });
    expect(given).toBeLessThan(40);
    expect(server.count()).toBeLessThan(40);
  });

  test('is not waited for longer than the time-out', async () => {
    await using server = await faultServer(() => undefined);
    const account = `${server.origin}/account`;
    const error = await failure(at(account).service.getFile(url(account, 'millrace.a.jsonl')));
    expect(error).toMatchObject({ code: 'timeout', retryable: true });
  });

  test('that cuts a blob is asked for the rest', async () => {
    const body = `${'x'.repeat(5000)}\n${'y'.repeat(5000)}\n`;
    const ranges: (string | undefined)[] = [];
    const cutting: Handler = (request, response) => {
      const range = request.headers['x-ms-range'] ?? request.headers.range;
      ranges.push(String(range ?? ''));
      const from = Number(/bytes=(\d+)-/.exec(String(range))?.[1] ?? 0);
      const rest = body.slice(from);
      response.writeHead(from === 0 ? 200 : 206, {
        'content-length': String(rest.length),
        'content-range': `bytes ${from}-${body.length - 1}/${body.length}`,
        etag: '"1"',
      });
      if (ranges.length > 2) return void response.end(rest);
      response.write(rest.slice(0, 3000), () => response.destroy());
    };
    await using server = await faultServer(cutting);
    const account = `${server.origin}/account`;
    const path = join(await temporaryDirectory(), 'answers');
    const signal = new AbortController().signal;
    const id = url(account, 'millrace.a/guid/results.jsonl');
    const fetched = await fetchFile(at(account).service, id, path, signal);
    expect(fetched).toMatchObject({ bytes: body.length, lines: 2, endsWell: true });
    expect(await readFile(path, 'utf8')).toBe(body);
    expect(ranges).toEqual(['', 'bytes=3000-', 'bytes=6000-']);
  });
});

describe('at Azurite', () => {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
    await azurite.container('held');
  });
  afterAll(() => azurite[Symbol.asyncDispose]());

  const target = () => {
    const { connectionString, url: account } = azurite;
    const made = at(account, {
      timeoutMs: 20_000,
      blob: { container: `${account}/held/folder`, connectionString },
    });
    return made.service;
  };

  test('a blob of several blocks comes back byte for byte, from any offset', async () => {
    const block = Buffer.from(Array.from({ length: 1_000_000 }, (_, n) => (n * 7) % 251));
    const whole = Buffer.concat(Array.from({ length: 10 }, () => block));
    const service = target();
    const name = 'millrace.big.jsonl';
    const open = () => bytes(Array.from({ length: 10 }, () => block));
    const { id, bytes: size } = await service.uploadFile({ name, bytes: whole.length, open });
    expect(size).toBe(whole.length);
    expect(await service.getFile(id)).toMatchObject({ bytes: whole.length });
    for (const offset of [0, 1, 4_194_304, whole.length - 1]) {
      const { body, length, offset: begun } = await service.downloadFile(id, offset);
      const hash = createHash('sha256');
      for await (const part of body) hash.update(part);
      expect({ length, begun }).toEqual({ length: whole.length - offset, begun: offset });
      const wanted = createHash('sha256').update(whole.subarray(offset)).digest('hex');
      expect(hash.digest('hex')).toBe(wanted);
    }
    expect(await service.downloadFile(id, whole.length)).toMatchObject({ length: 0 });
    await service.deleteFile(id);
    await service.deleteFile(id);
    expect(await failure(service.getFile(id))).toMatchObject({ status: 404 });
  });

  test('a source that fails, or is too short or too long, leaves no blob', async () => {
    const service = target();
    const name = 'millrace.never.jsonl';
    const sources = [bytes(['too long']), bytes(['1']), broken()];
    const codes: unknown[] = [];
    for (const source of sources) {
      const { code, message } = await failure(
        service.uploadFile({ name, bytes: 4, open: () => source }),
      );
      codes.push(code ?? message);
    }
    expect(codes).toEqual(['upload_length', 'upload_length', 'a hand changed it']);
    const names: string[] = [];
    for await (const file of service.listFiles()) names.push(file.name);
    expect(names).toEqual([]);
  });

  test('answers without their input are shown as its rest, and go with it', async () => {
    const container = await azurite.container('rest');
    const { connectionString, url: account } = azurite;
    const { service } = at(account, { blob: { container: `${account}/rest`, connectionString } });
    await container.getBlockBlobClient('millrace.j.1/g/results.jsonl').upload('{}', 2);
    await container.getBlockBlobClient('millrace.j.2.jsonl').upload('{}', 2);
    await container.getBlockBlobClient('millrace.j.2/g/errors.jsonl').upload('{}', 2);
    await container.getBlockBlobClient('theirs.jsonl').upload('{}', 2);
    const files: [string, number | null][] = [];
    for await (const { id, name, bytes: size } of service.listFiles()) {
      files.push([name, size]);
      await service.deleteFile(id);
    }
    expect(files).toEqual([
      ['millrace.j.2.jsonl', 2],
      ['millrace.j.1.jsonl', 0],
    ]);
    expect(await namesIn(container)).toEqual(['theirs.jsonl']);
  });
});

describe('a place', () => {
  const account = 'https://acc.blob.core.windows.net';

  test('is a container, or a folder in one', () => {
    expect(parsePlace(`${account}/box/`)).toMatchObject({ account, container: 'box', folder: '' });
    expect(parsePlace(`${account}/box/a/b`)).toMatchObject({
      folder: 'a/b/',
      url: `${account}/box/a/b`,
    });
    const local = 'http://127.0.0.1:10000/devstoreaccount1';
    expect(parsePlace(`${local}/box/a`)).toMatchObject({ account: local, folder: 'a/' });
  });

  test.each([
    [`${account}`, 'names no container'],
    [`${account}/c1`, '3 to 63 lower-case letters'],
    [`${account}/box/a b`, 'whose name'],
    ['http://acc.blob.core.windows.net/box', 'https'],
    [`${account}/box?sv=1&sig=canary`, 'AZURE_STORAGE_SAS_TOKEN'],
    ['https://user:canary@acc.blob.core.windows.net/box', 'AZURE_STORAGE_SAS_TOKEN'],
    ['in', 'is not a URL'],
  ])('%s is refused', (address, why) => {
    expect(() => parsePlace(address)).toThrow(why);
    expect(() => parsePlace(address)).not.toThrow('canary');
  });

  test('is the only container that is read', async () => {
    const { service } = at(account);
    for (const id of [
      'https://elsewhere.example/held/folder/x/results.jsonl',
      `${account}/held/folder/../../other/x`,
      `${account}/helder/x`,
    ]) {
      expect(await failure(service.downloadFile(id, 0))).toMatchObject({ code: 'foreign_blob' });
    }
  });
});

describe('a credential', () => {
  const options = (credential: TokenCredential) => ({
    apiKey: undefined,
    credential,
    blob: { container: 'https://127.0.0.1:1/account/held' },
    retry: { tries: 1 },
  });

  test('is asked for a token of the storage service', async () => {
    const scopes: unknown[] = [];
    const credential: TokenCredential = {
      async getToken(scope) {
        scopes.push(scope);
        return { token: 'canary', expiresOnTimestamp: Date.now() + 3600 * 1000 };
      },
    };
    const { service } = at('', options(credential));
    const error = await failure(service.getFile('https://127.0.0.1:1/account/held/a'));
    expect(error).toMatchObject({ code: 'connect_failed' });
    expect(scopes.flat()).toEqual(['https://storage.azure.com/.default']);
    expect(JSON.stringify(error.cause)).not.toContain('canary');
  });

  test('that gives none says what to do', async () => {
    const credential: TokenCredential = { getToken: () => Promise.reject(new Error('offline')) };
    const { service } = at('', options(credential));
    const error = await failure(service.getFile('https://127.0.0.1:1/account/held/a'));
    expect(error).toMatchObject({ code: 'auth_failed' });
    expect(error.message).toContain('offline');
  });

  test('of the resource is a key: another one is wanted for the container', () => {
    const blob = { container: 'https://acc.blob.core.windows.net/box' };
    expect(() => at('', { blob })).toThrow(/no credentials for the blob container/);
    expect(() => at('', { blob: { ...blob, sasToken: 'a', connectionString: 'b' } })).toThrow(
      /more than one/,
    );
  });

  test('of another account is not used', async () => {
    const connectionString =
      'DefaultEndpointsProtocol=https;AccountName=other;AccountKey=Y2FuYXJ5;EndpointSuffix=core.windows.net';
    const container = 'https://acc.blob.core.windows.net/box';
    const { service } = at('', { blob: { container, connectionString } });
    const error = await failure(service.getFile(`${container}/a`));
    expect(error.message).toContain('is for https://other.blob.core.windows.net');
  });
});

describe('limits', () => {
  const blobs = () => at('https://acc.blob.core.windows.net');
  const files = () => azureOpenAI({ endpoint: 'https://a.openai.azure.com', apiKey: 'unused' });

  test('a blob holds 1 GB; among targets the smallest counts', () => {
    expect(limitsOfTargets([blobs()])).toMatchObject({ maxBytes: 1e9, maxRequests: 100_000 });
    expect(limitsOfTargets([blobs(), files()])).toMatchObject({ maxBytes: 200e6 });
    expect(() => limitsOfTargets([files()], { maxBytes: 1e9 })).toThrow(/200000000/);
  });

  test('without a target, 1 GB may be asked for and 200 MB is the rule', () => {
    expect(resolveLimits().maxBytes).toBe(200e6);
    expect(resolveLimits({ maxBytes: 1e9 }).maxBytes).toBe(1e9);
    expect(() => resolveLimits({ maxBytes: 1e9 + 1 })).toThrow(/1000000000/);
  });

  test('an old version of the API is refused, OpenAI’s own takes none', () => {
    const blob = { container: 'https://acc.blob.core.windows.net/box', sasToken: 'x' };
    expect(() => at('', { blob, apiVersion: '2025-03-01-preview' })).toThrow(/2025-04-01-preview/);
    expect(() => at('', { blob, apiVersion: '2025-04-01-preview' })).not.toThrow();
  });
});

test('a package that is not installed is asked for by its name', async () => {
  const absent = () =>
    Promise.reject(Object.assign(new Error('x'), { code: 'ERR_MODULE_NOT_FOUND' }));
  expect(await failure(loadStorage(absent))).toMatchObject({ code: 'package_missing' });
  expect((await failure(loadStorage(absent))).message).toContain('npm install @azure/storage-blob');
});

async function* bytes(parts: readonly (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('1');
  throw new Error('a hand changed it');
}
