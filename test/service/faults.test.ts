import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService } from '../../src/core/service.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import type { Handler } from './server.ts';
import { BATCH, faultServer, json, QUICK } from './server.ts';

const create = (service: BatchService) =>
  service.createBatch({ inputFileId: 'f', endpoint: '/chat/completions', metadata: {} });

const plain =
  (body: string, type: string, status = 200): Handler =>
  async (_request, response, read) => {
    await read();
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  };

const error = (status: number, headers: Record<string, string> = {}) =>
  json({ error: { code: 'someCode', message: 'words of the service' } }, status, headers);

test('https to a server that speaks http: nothing was sent, and no try would help', async () => {
  await using server = await faultServer(json(BATCH));
  const endpoint = server.origin.replace('http:', 'https:');
  const { service } = azureOpenAI({ ...QUICK, endpoint, apiKey: 'k' });
  for (const call of [create, () => service.getBatch('b')]) {
    await expect(call(service)).rejects.toMatchObject({
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
    await expect(create(service)).rejects.toMatchObject({
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
      await create(service);
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
