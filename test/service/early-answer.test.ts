import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { azureOpenAI } from '../../src/service/index.ts';
import { FILE, QUICK } from './server.ts';

const BLOCK = Buffer.alloc(1024 * 1024, 'x');
/** More than the buffers of both ends of a connection hold. */
const BLOCKS = 64;

/** What the server does with a connection once it has answered. */
type Then = (socket: Socket) => void;

const THEN: Readonly<Record<string, Then>> = {
  'reads on': () => undefined,
  'reads no more': (socket) => socket.pause(),
  'sends no more': (socket) => socket.end(),
  'hangs up': (socket) => socket.end(() => socket.destroy()),
};

/**
 * A server below HTTP, as Node's own waits for what a client still sends. It answers the first
 * `early` requests with success at their first bytes, and the others when it has all of them.
 */
async function hastyServer(early: number, then: Then) {
  const whole: number[] = [];
  const sockets = new Set<Socket>();
  let requests = 0;
  const server = createServer((socket) => {
    const hasty = requests++ < early;
    let head = '';
    let wanted = 0;
    let got = 0;
    let answered = false;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      got += chunk.length;
      if (wanted === 0) {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        wanted = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1]);
      }
      if (answered || (!hasty && got < wanted)) return;
      answered = true;
      if (got === wanted) whole.push(got);
      const body = JSON.stringify(FILE);
      socket.write(
        `HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      if (hasty) then(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    /** Bytes of each request that came whole. */
    whole,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function upload(blocks: number) {
  const state = { opened: 0, pulled: 0, closed: 0 };
  const file = {
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
  return { state, file };
}

describe.each(Object.entries(THEN))('a service that answers 201 early and %s', (_name, then) => {
  test('does not have the file: it is sent again, whole', async () => {
    await using server = await hastyServer(1, then);
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    const { state, file } = upload(BLOCKS);
    try {
      await expect(service.uploadFile(file)).resolves.toMatchObject({ id: FILE.id });
      expect(server.requests()).toBe(2);
      expect(server.whole).toHaveLength(1);
      expect(server.whole[0]).toBeGreaterThan(file.bytes);
      expect(state).toMatchObject({ opened: 2, closed: 2 });
      expect(state.pulled).toBeLessThan(2 * BLOCKS);
    } finally {
      await service.close();
    }
  });

  test('every time is an error, and every source is closed', async () => {
    await using server = await hastyServer(Number.POSITIVE_INFINITY, then);
    const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
    const { state, file } = upload(BLOCKS);
    try {
      await expect(service.uploadFile(file)).rejects.toMatchObject({
        code: 'bad_answer',
        status: 201,
        outcome: 'unknown',
        retryable: true,
        message: expect.stringContaining('before it had the whole request'),
      });
      expect(server.whole).toEqual([]);
      expect(state).toMatchObject({ opened: QUICK.retry.tries, closed: QUICK.retry.tries });
    } finally {
      await service.close();
    }
  });
});

test('an answer to a whole upload is believed', async () => {
  await using server = await hastyServer(0, () => undefined);
  const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin, apiKey: 'k' });
  const { state, file } = upload(3);
  try {
    await expect(service.uploadFile(file)).resolves.toMatchObject({ id: FILE.id });
    expect({ ...state, requests: server.requests() }).toEqual({
      opened: 1,
      pulled: 3,
      closed: 1,
      requests: 1,
    });
  } finally {
    await service.close();
  }
});
