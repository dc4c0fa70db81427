import { getEventListeners } from 'node:events';
import { pipeline } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { BatchService, TokenCredential } from '../../src/core/service.ts';
import type { AzureOptions } from '../../src/service/index.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import type { Handler } from './server.ts';
import { BATCH, collect, FILE, faultServer, json, QUICK } from './server.ts';

const open: BatchService[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((service) => service.close()));
});

function connect(endpoint: string, options: Partial<AzureOptions> = {}): BatchService {
  const auth = options.credential === undefined ? { apiKey: 'k' } : {};
  const { service } = azureOpenAI({ ...QUICK, endpoint, ...auth, ...options });
  open.push(service);
  return service;
}

const CONTENT = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));

/** Serves CONTENT with ranges; `cutAfter` bytes of the rest end the first answers. */
function content(cutAfter: number[] = [], ranges = true): Handler {
  return async (request, response, read) => {
    await read();
    const from = /bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1];
    if (ranges && Number(from) >= CONTENT.length) {
      response.writeHead(416, { 'content-range': `bytes */${CONTENT.length}` });
      response.end();
      return;
    }
    const start = ranges ? Number(from ?? 0) : 0;
    const rest = CONTENT.subarray(start);
    const range = `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}`;
    response.writeHead(ranges && from ? 206 : 200, {
      'content-length': rest.length,
      ...(ranges && from ? { 'content-range': range } : {}),
    });
    const cut = cutAfter.shift();
    if (cut === undefined) {
      response.end(rest);
      return;
    }
    response.write(rest.subarray(0, cut), () => response.destroy());
  };
}

describe('download', () => {
  test('from the start, from an offset, and whole when ranges are not honoured', async () => {
    await using server = await faultServer(content());
    await using plain = await faultServer(content([], false));
    const service = connect(server.origin);
    const whole = await service.downloadFile('f', 0);
    expect(whole).toMatchObject({ offset: 0, length: CONTENT.length });
    expect(Buffer.concat(await collect(whole.body)).equals(CONTENT)).toBe(true);
    const rest = await service.downloadFile('f', 400_000);
    expect(rest).toMatchObject({ offset: 400_000, length: 600_000 });
    expect(Buffer.concat(await collect(rest.body)).equals(CONTENT.subarray(400_000))).toBe(true);
    const again = await connect(plain.origin).downloadFile('f', 400_000);
    expect(again).toMatchObject({ offset: 0, length: CONTENT.length });
    expect(Buffer.concat(await collect(again.body)).equals(CONTENT)).toBe(true);
  });

  test('a cut gives what came and an error to go on from, until the file is whole', async () => {
    await using server = await faultServer(content([300_000, 1, 500_000]));
    const service = connect(server.origin);
    let got = Buffer.alloc(0);
    let cuts = 0;
    while (got.length < CONTENT.length) {
      const { body, offset } = await service.downloadFile('f', got.length);
      expect(offset).toBe(got.length);
      try {
        for await (const block of body) got = Buffer.concat([got, block]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'download_cut', retryable: true });
        cuts++;
      }
    }
    expect(cuts).toBe(3);
    expect(got.equals(CONTENT)).toBe(true);
  });

  test('a cut without an announced length is an error as well', async () => {
    const cut: Handler = (_request, response) => {
      response.write('some');
      setTimeout(() => response.destroy(), 20);
    };
    await using server = await faultServer(cut);
    const { body, length } = await connect(server.origin).downloadFile('f', 0);
    expect(length).toBeNull();
    let got = '';
    const reading = (async () => {
      for await (const block of body) got += String(block);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'download_cut' });
    expect(got).toBe('some');
  });

  test('at the very end there is nothing more', async () => {
    const size = { ...FILE, bytes: CONTENT.length };
    await using server = await faultServer(content(), json(size));
    const download = await connect(server.origin).downloadFile('f', CONTENT.length);
    expect(download).toMatchObject({ length: 0, offset: CONTENT.length });
    expect(await collect(download.body)).toEqual([]);
  });

  test('an offset behind the end starts anew', async () => {
    await using server = await faultServer(content(), json({ ...FILE, bytes: 5 }), content());
    const download = await connect(server.origin).downloadFile('f', CONTENT.length + 7);
    expect(download.offset).toBe(0);
    expect(Buffer.concat(await collect(download.body)).equals(CONTENT)).toBe(true);
  });

  test('an empty file is no bytes', async () => {
    const empty: Handler = (_request, response) => void response.end();
    await using server = await faultServer(empty);
    const { body } = await connect(server.origin).downloadFile('f', 0);
    expect(await collect(body)).toEqual([]);
  });

  test('another range than the asked one is refused', async () => {
    const wrong: Handler = (_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 90-99/100', 'content-length': '10' });
      response.end('0123456789');
    };
    await using server = await faultServer(wrong);
    await expect(connect(server.origin).downloadFile('f', 50)).rejects.toMatchObject({
      code: 'bad_answer',
    });
  });

  test('404 is a ServiceError', async () => {
    await using server = await faultServer(json({ error: { message: 'gone' } }, 404));
    await expect(connect(server.origin).downloadFile('f', 0)).rejects.toMatchObject({
      status: 404,
      code: 'http_404',
    });
  });

  test('a reader that takes its time holds the server back, and is not timed out', async () => {
    let written = 0;
    const block = Buffer.alloc(64 * 1024);
    function* supply() {
      for (;;) {
        written += block.length;
        yield block;
      }
    }
    const endless: Handler = (_request, response) => {
      pipeline(supply, response, () => undefined);
    };
    await using server = await faultServer(endless);
    const { body } = await connect(server.origin).downloadFile('f', 0);
    let blocks = 0;
    let before = 0;
    for await (const _ of body) {
      if (++blocks === 1) {
        // Longer than the time-out of a try. What fits into buffers is sent meanwhile, no more.
        await delay(QUICK.timeoutMs * 1.5);
        before = written;
        await delay(100);
        expect(written).toBe(before);
      }
      if (blocks === 4) break;
    }
    expect(before).toBeLessThan(64 * 1024 * 1024);
  });

  test('a body that stalls is cut', async () => {
    const stall: Handler = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('some');
    };
    await using server = await faultServer(stall);
    const { body } = await connect(server.origin).downloadFile('f', 0);
    await expect(collect(body)).rejects.toThrow(/cut after 4 of 100 bytes: nothing came/);
  });

  test('a body that breaks before anybody reads it does not end the process', async () => {
    await using server = await faultServer(content([10]));
    const { body } = await connect(server.origin).downloadFile('f', 0);
    await delay(50);
    await expect(collect(body)).rejects.toMatchObject({ code: 'download_cut' });
  });
});

describe('upload', () => {
  /** Blocks behind the one that was asked for that may still be on their way out. */
  const LATEST_IN_USE = 2;
  const BLOCK = Buffer.alloc(256 * 1024, 'x');

  function large(blocks: number) {
    const state = { opened: 0, pulled: 0, closed: 0 };
    const upload = {
      name: 'a.jsonl',
      bytes: BLOCK.length * blocks,
      async *open() {
        state.opened++;
        try {
          for (let i = 0; i < blocks; i++) {
            state.pulled++;
            yield BLOCK;
          }
        } finally {
          state.closed++;
        }
      },
    };
    return { state, upload };
  }

  test('a server that does not read holds the source back, then times out', async () => {
    const deaf: Handler = (request) => void request.pause();
    await using server = await faultServer(deaf);
    const { state, upload } = large(400);
    const service = connect(server.origin, { retry: { tries: 1 } });
    await expect(service.uploadFile(upload)).rejects.toMatchObject({ code: 'timeout' });
    expect(state.pulled).toBeLessThan(200);
    expect(state.closed).toBe(state.opened);
  });

  test('a source may use its blocks again, however slowly they are read', async () => {
    const blocks = Array.from({ length: LATEST_IN_USE + 1 }, () => Buffer.alloc(1024 * 1024));
    const count = 32; // more than the buffers of both ends of a connection hold
    const upload = {
      name: 'a.jsonl',
      bytes: count * blocks[0]!.length,
      async *open() {
        for (let i = 0; i < count; i++) yield blocks[i % blocks.length]!.fill(i + 128);
      },
    };
    let wrong = 0;
    let got = 0;
    const slow: Handler = async (request, response) => {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        for (const byte of chunk) {
          // The bytes of the form around the file are below 128.
          if (byte < 128) continue;
          if (byte !== Math.floor(got / blocks[0]!.length) + 128) wrong++;
          got++;
        }
        await delay(got % 5 === 0 ? 3 : 0);
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(FILE));
    };
    await using server = await faultServer(slow);
    await connect(server.origin, { timeoutMs: 60_000 }).uploadFile(upload);
    expect({ got, wrong }).toEqual({ got: upload.bytes, wrong: 0 });
  });

  test('a token that dies in mid-upload: one new token for all, the whole file again', async () => {
    let live = 'token-1';
    let issued = 0;
    const credential: TokenCredential = {
      async getToken() {
        issued++;
        await delay(10);
        return { token: `token-${issued}`, expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    };
    const sizes: number[] = [];
    const guard: Handler = async (request, response) => {
      const total = Number(request.headers['content-length'] ?? 0);
      let got = 0;
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        got += (chunk as Buffer).length;
        if (got > total * 0.9) live = 'token-2';
        if (request.headers.authorization !== `Bearer ${live}`) break;
      }
      const known = request.headers.authorization === `Bearer ${live}`;
      if (known) sizes.push(got);
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(known ? FILE : { error: { code: 'Unauthorized', message: '' } }));
    };
    await using server = await faultServer(guard);
    const service = connect(server.origin, { credential, timeoutMs: 5000 });
    const uploads = Array.from({ length: 4 }, () => large(20));
    await Promise.all(uploads.map(({ upload }) => service.uploadFile(upload)));
    expect(issued).toBe(2);
    expect(sizes).toHaveLength(4);
    expect(Math.min(...sizes)).toBeGreaterThan(BLOCK.length * 20);
    for (const { state } of uploads) expect(state.closed).toBe(state.opened);
  });

  test('401 again with the new token is the end, for a create as well', async () => {
    const credential: TokenCredential = {
      getToken: async () => ({ token: 't', expiresOnTimestamp: Date.now() + 3_600_000 }),
    };
    await using server = await faultServer(json({ error: { code: 'Unauthorized' } }, 401));
    const service = connect(server.origin, { credential });
    const batch = { inputFileId: 'f', endpoint: '/chat/completions', metadata: {} } as const;
    await expect(service.createBatch(batch)).rejects.toMatchObject({
      status: 401,
      outcome: 'refused',
    });
    expect(server.count()).toBe(2);
  });
});

describe('abort and leftovers', () => {
  const hang: Handler = () => undefined;

  test('every call ends with the reason of its signal, at once', async () => {
    await using server = await faultServer(hang);
    const service = connect(server.origin, { timeoutMs: 60_000 });
    const reason = new Error('enough');
    const controller = new AbortController();
    const { signal } = controller;
    const batch = { inputFileId: 'f', endpoint: '/responses', metadata: {} } as const;
    const upload = {
      name: 'a.jsonl',
      bytes: 1,
      open: async function* () {
        yield Buffer.from('x');
      },
    };
    const calls = Promise.allSettled([
      service.uploadFile(upload, signal),
      service.createBatch(batch, signal),
      service.getFile('f', signal),
      collect(service.listBatches(signal)),
      service.cancelBatch('b', signal),
      service.downloadFile('f', 0, signal),
    ]);
    while (server.count() < 6) await delay(5);
    controller.abort(reason);
    for (const call of await calls) expect(call).toEqual({ status: 'rejected', reason });
    await expect(service.getBatch('b', signal)).rejects.toBe(reason);
  });

  test('a wait between tries ends with the signal', async () => {
    await using server = await faultServer(json({}, 429, { 'retry-after': '500' }));
    const controller = new AbortController();
    const call = connect(server.origin).getBatch('b', controller.signal);
    while (server.count() < 1) await delay(5);
    setTimeout(() => controller.abort(), 30);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('a body that is being read ends with the signal', async () => {
    const slow: Handler = (_request, response) => void response.write('some');
    await using server = await faultServer(slow);
    const controller = new AbortController();
    const { body } = await connect(server.origin).downloadFile('f', 0, controller.signal);
    setTimeout(() => controller.abort(new Error('enough')), 30);
    await expect(collect(body)).rejects.toThrow('enough');
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  test('no listener stays on a signal that lives as long as the job', async () => {
    const { signal } = new AbortController();
    await using server = await faultServer(
      json({}, 500),
      json(BATCH),
      json({}, 400),
      content(),
      content([5]),
      json(FILE),
    );
    const service = connect(server.origin);
    await service.getBatch('b', signal);
    await expect(service.getBatch('b', signal)).rejects.toMatchObject({ status: 400 });
    await collect((await service.downloadFile('f', 0, signal)).body);
    await expect(collect((await service.downloadFile('f', 0, signal)).body)).rejects.toThrow();
    await service.getFile('f', signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('a reader that stops early gives its connection back', async () => {
    const slow: Handler = (_request, response) => void response.write(CONTENT);
    await using server = await faultServer(slow);
    const { body } = await connect(server.origin).downloadFile('f', 0);
    for await (const _block of body) break;
    while (server.sockets.size > 0) await delay(5);
    expect(server.sockets.size).toBe(0);
  });

  test('close cuts what is on the wire, without further tries', async () => {
    await using server = await faultServer(hang);
    const service = connect(server.origin, { timeoutMs: 60_000 });
    const call = service.getBatch('b');
    const ended = expect(call).rejects.toMatchObject({ code: 'closed' });
    while (server.count() < 1) await delay(5);
    await service.close();
    await ended;
    await expect(service.getBatch('b')).rejects.toMatchObject({ code: 'closed' });
    while (server.sockets.size > 0) await delay(5);
    expect(server.count()).toBe(1);
  });

  test('no more calls at once than allowed', async () => {
    let live = 0;
    let most = 0;
    const counted: Handler = async (_request, response, read) => {
      await read();
      most = Math.max(most, ++live);
      await delay(20);
      live--;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(BATCH));
    };
    await using server = await faultServer(counted);
    const service = connect(server.origin, { concurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, () => service.getBatch('b')));
    expect(most).toBe(3);
  });
});
