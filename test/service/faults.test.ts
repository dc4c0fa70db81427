import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService } from '../../src/core/service.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import type { Handler } from './server.ts';
import { BATCH, closedPort, collect, FILE, faultServer, json, QUICK } from './server.ts';

/**
 * The network matrix: every call meets every fault on its first try, and a healthy server after it.
 * A cell is what the caller gets: `again` (tried again, and well), `ok` (well at the first try), or
 * the code and the outcome of the error.
 */

const CALLS: Readonly<
  Record<string, { run(service: BatchService): Promise<unknown>; healthy: unknown }>
> = {
  upload: {
    healthy: FILE,
    run: (service) =>
      service.uploadFile({
        name: 'a.jsonl',
        bytes: 6,
        async *open() {
          yield Buffer.from('abcdef');
        },
      }),
  },
  create: {
    healthy: BATCH,
    run: (service) =>
      service.createBatch({ inputFileId: 'f', endpoint: '/chat/completions', metadata: {} }),
  },
  file: { healthy: FILE, run: (service) => service.getFile('f') },
  files: { healthy: { data: [FILE] }, run: (service) => collect(service.listFiles()) },
  remove: { healthy: { deleted: true }, run: (service) => service.deleteFile('f') },
  batch: { healthy: BATCH, run: (service) => service.getBatch('b') },
  batches: { healthy: { data: [BATCH] }, run: (service) => collect(service.listBatches()) },
  cancel: { healthy: BATCH, run: (service) => service.cancelBatch('b') },
  content: {
    healthy: 'text',
    run: async (service) => {
      const { body } = await service.downloadFile('f', 0);
      return Buffer.concat(await collect(body)).toString();
    },
  },
};

interface Fault {
  readonly first: Handler;
  /** For calls that are safe to repeat. */
  readonly safe: string;
  readonly create: string;
  /** Calls that see it differently. */
  readonly but?: Readonly<Record<string, string>>;
}

const cutBody: Handler = async (_request, response, read) => {
  await read();
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"id":"batch_1","data":[');
  setTimeout(() => response.destroy(), 20);
};

const raw =
  (text: string): Handler =>
  async (request, _response, read) => {
    await read();
    request.socket.end(text);
  };

const plain =
  (body: string, type: string, status = 200): Handler =>
  async (_request, response, read) => {
    await read();
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  };

const error = (status: number, headers: Record<string, string> = {}) =>
  json({ error: { code: 'someCode', message: 'words of the service' } }, status, headers);

const FAULTS: Readonly<Record<string, Fault>> = {
  'reset before the request is read': {
    first: (request) => void request.socket.resetAndDestroy(),
    safe: 'again',
    create: 'connection_lost unknown',
  },
  'reset after the request is read': {
    first: async (request, _response, read) => {
      await read();
      request.socket.resetAndDestroy();
    },
    safe: 'again',
    create: 'connection_lost unknown',
  },
  'closed without an answer': { first: raw(''), safe: 'again', create: 'connection_lost unknown' },
  'no HTTP': { first: raw('SSH-2.0-x\r\n\r\n'), safe: 'again', create: 'connection_lost unknown' },
  'no answer': {
    first: async (_request, _response, read) => void (await read()),
    safe: 'again',
    create: 'timeout unknown',
  },
  'headers, then nothing': {
    first: async (_request, response, read) => {
      await read();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
    },
    safe: 'again',
    create: 'timeout unknown',
    but: { content: 'download_cut unknown' },
  },
  'body cut': {
    first: cutBody,
    safe: 'again',
    create: 'connection_lost unknown',
    but: { content: 'download_cut unknown' },
  },
  'error body cut': {
    first: async (_request, response, read) => {
      await read();
      response.writeHead(400, { 'content-length': '1000' });
      response.write('{"error":');
      setTimeout(() => response.destroy(), 20);
    },
    safe: 'again',
    create: 'connection_lost unknown',
  },
  'length shorter than the body': {
    first: raw('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{"id":"b"}'),
    safe: 'again',
    create: 'bad_answer unknown',
    // Only the file's own length can tell.
    but: { content: 'ok', remove: 'ok' },
  },
  'JSON that is none': {
    first: plain('{"id":', 'application/json'),
    safe: 'again',
    create: 'bad_answer unknown',
    but: { content: 'ok', remove: 'ok' },
  },
  'JSON of something else': {
    first: plain('[]', 'application/json'),
    safe: 'again',
    create: 'bad_answer unknown',
    but: { content: 'ok', remove: 'ok' },
  },
  'a page instead of JSON': {
    first: plain('<html><title>Log in</title></html>', 'text/html'),
    safe: 'again',
    create: 'bad_answer unknown',
    but: { remove: 'ok' },
  },
  redirect: {
    first: json({}, 307, { location: 'https://elsewhere.example/x' }),
    safe: 'redirected refused',
    create: 'redirected refused',
  },
  '400': {
    first: error(400),
    safe: 'someCode refused',
    create: 'someCode refused',
    // It looks whether the batch is over.
    but: { cancel: 'someCode after 2' },
  },
  '401 with a key': { first: error(401), safe: 'someCode refused', create: 'someCode refused' },
  '403': { first: error(403), safe: 'someCode refused', create: 'someCode refused' },
  '404': {
    first: error(404),
    safe: 'someCode refused',
    create: 'someCode refused',
    but: { remove: 'ok' },
  },
  '408': { first: error(408), safe: 'again', create: 'someCode refused' },
  '409': {
    first: error(409),
    safe: 'again',
    create: 'someCode refused',
    but: { cancel: 'someCode after 2' },
  },
  '429': { first: error(429), safe: 'again', create: 'someCode refused' },
  '429 x-should-retry: false': {
    first: error(429, { 'x-should-retry': 'false' }),
    safe: 'someCode refused',
    create: 'someCode refused',
  },
  '400 x-should-retry: true': {
    first: error(400, { 'x-should-retry': 'true' }),
    safe: 'again',
    create: 'someCode refused',
  },
  '500': { first: error(500), safe: 'again', create: 'someCode unknown' },
  '502, a page': {
    first: plain('<html><head><title>502 Bad Gateway</title></head></html>', 'text/html', 502),
    safe: 'again',
    create: 'http_502 unknown',
  },
  '503': { first: error(503), safe: 'again', create: 'someCode unknown' },
  '504, empty': { first: plain('', 'text/plain', 504), safe: 'again', create: 'http_504 unknown' },
  'slow, but whole': {
    first: async (_request, response, read) => {
      await read();
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const char of ' \n \n ') {
        response.write(char);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      response.end(JSON.stringify({ ...BATCH, data: [FILE] }));
    },
    safe: 'ok',
    create: 'ok',
  },
};

async function cell(call: (typeof CALLS)[string], first: Handler): Promise<string> {
  const healthy: Handler =
    call.healthy === 'text' ? plain('a\nb\n', 'application/json') : json(call.healthy);
  await using server = await faultServer(first, healthy);
  const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'canary-key' });
  try {
    await call.run(service);
    return server.count() === 1 ? 'ok' : server.count() === 2 ? 'again' : `${server.count()} tries`;
  } catch (caught) {
    if (!(caught instanceof ServiceError)) throw caught;
    expect(inspect(caught, { depth: 9, showHidden: true })).not.toContain('canary-key');
    if (server.count() !== 1) return `${caught.code} after ${server.count()}`;
    return `${caught.code} ${caught.outcome}`;
  } finally {
    await service.close();
  }
}

describe('every call meets every fault', () => {
  test.each(Object.entries(FAULTS))('%s', async (_name, fault) => {
    const cells = await Promise.all(
      Object.entries(CALLS).map(async ([name, call]) => [name, await cell(call, fault.first)]),
    );
    const expected = Object.keys(CALLS).map((name) => [
      name,
      fault.but?.[name] ?? (name === 'create' ? fault.create : fault.safe),
    ]);
    expect(Object.fromEntries(cells)).toEqual(Object.fromEntries(expected));
  });

  test('nobody listens: nothing was sent', async () => {
    const endpoint = await closedPort();
    const { service } = azureOpenAI({ ...QUICK, endpoint, apiKey: 'k' });
    for (const call of Object.values(CALLS)) {
      await expect(call.run(service)).rejects.toMatchObject({
        code: 'connect_failed',
        outcome: 'unsent',
        status: null,
        retryable: true,
      });
    }
    await service.close();
  });
});

test('https to a server that speaks http: nothing was sent, and no try would help', async () => {
  await using server = await faultServer(json(BATCH));
  const endpoint = server.origin.replace('http:', 'https:');
  const { service } = azureOpenAI({ ...QUICK, endpoint, apiKey: 'k' });
  for (const call of [CALLS.create!, CALLS.batch!]) {
    await expect(call.run(service)).rejects.toMatchObject({
      code: 'connect_failed',
      outcome: 'unsent',
      retryable: false,
      message: expect.not.stringContaining('tried'),
    });
  }
  await service.close();
});

describe('waits', () => {
  const NOW = Date.UTC(2026, 10, 1);

  async function waits(headers: Record<string, string>): Promise<number[]> {
    await using server = await faultServer(error(429, headers), error(429, headers), json(BATCH));
    const slept: number[] = [];
    const clock: Clock = {
      now: () => NOW,
      async sleep(ms) {
        slept.push(ms);
      },
    };
    const { service } = azureOpenAI({
      endpoint: server.origin,
      apiKey: 'k',
      clock,
      random: () => 0.5,
      retry: { tries: 3, baseMs: 100, maxMs: 1000 },
    });
    await service.getBatch('b');
    await service.close();
    return slept;
  }

  test('are what the server asks for, and full jitter on top', async () => {
    expect(await waits({})).toEqual([50, 100]);
    expect(await waits({ 'retry-after': '7' })).toEqual([7050, 7100]);
    expect(await waits({ 'retry-after': new Date(NOW + 9000).toUTCString() })).toEqual([
      9050, 9100,
    ]);
    expect(await waits({ 'retry-after-ms': '250', 'retry-after': '7' })).toEqual([300, 350]);
  });

  test('a refused create hands the wait on', async () => {
    await using server = await faultServer(error(429, { 'retry-after': '7' }));
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    await expect(CALLS.create!.run(service)).rejects.toMatchObject({
      status: 429,
      retryAfterMs: 7000,
      retryable: true,
    });
    await service.close();
  });

  test('end after the last try, which the message counts', async () => {
    await using server = await faultServer(error(503));
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    await expect(service.getBatch('b')).rejects.toThrow(/503 someCode.*tried 3 times/);
    expect(server.count()).toBe(3);
    await service.close();
  });
});

describe('what an error says', () => {
  async function said(handler: Handler): Promise<ServiceError> {
    await using server = await faultServer(handler);
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'canary-key' });
    try {
      await CALLS.create!.run(service);
    } catch (caught) {
      if (caught instanceof ServiceError) return caught;
      throw caught;
    } finally {
      await service.close();
    }
    throw new Error('nothing was thrown');
  }

  test('call, status, code, words, request id', async () => {
    const caught = await said(error(400, { 'apim-request-id': 'req-9' }));
    expect(caught.message).toBe(
      'POST /openai/batches answered 400 someCode: words of the service (request id req-9)',
    );
    expect(caught).toMatchObject({ requestId: 'req-9', status: 400, retryable: false });
  });

  test('the token limit is found in the code and in the words', async () => {
    const bodies = [
      { error: { code: 'token_limit_exceeded', message: 'x' } },
      { error: { code: 'BadRequest', message: 'Error: token_limit_exceeded for the deployment' } },
      { error: { message: 'The number of enqueued tokens has surpassed the configured limit' } },
      { error: { message: 'Enqueued token limit reached for gpt-4o in organization org' } },
    ];
    for (const body of bodies) {
      expect(await said(json(body, 400))).toMatchObject({
        code: 'token_limit_exceeded',
        outcome: 'refused',
        retryable: true,
      });
    }
  });

  test('a file that is still pending can be asked again', async () => {
    const message = "The input file 'file-1' is in 'pending' state. Only files with status ...";
    expect(await said(json({ error: { code: 'invalid', message } }, 400))).toMatchObject({
      retryable: true,
    });
  });

  test('odd bodies: a number as code, a gateway, a string, a page, an endless one', async () => {
    expect((await said(json({ error: { code: '404', message: 'm' } }, 404))).code).toBe('http_404');
    const gateway = await said(json({ statusCode: 429, message: 'Rate limit is exceeded.' }, 429));
    expect(gateway.message).toContain('answered 429: Rate limit is exceeded.');
    expect((await said(json({ error: 'plain words' }, 400))).message).toContain(': plain words');
    const page = plain('<html><title>Blocked by proxy</title>', 'text/html', 403);
    expect((await said(page)).message).toContain('403: Blocked by proxy');
    const long = await said(plain('word '.repeat(100_000), 'text/plain', 400));
    expect(long.message.length).toBeLessThan(500);
  });

  test('a key that the service repeats is not repeated', async () => {
    const body = { error: { code: 'denied', message: 'Incorrect API key: canary-key' } };
    const caught = await said(json(body, 401, { 'x-request-id': 'canary-key' }));
    expect(JSON.stringify([caught.message, caught.stack, caught])).not.toContain('canary-key');
    expect(caught.message).toContain('check the key');
  });
});
