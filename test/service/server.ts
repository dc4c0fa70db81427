import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { CommonOptions } from '../../src/service/index.ts';

/** A request as the server saw it, its body whole. */
export interface Seen {
  method: string;
  url: URL;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Answers one request. `read` gives the body; a handler that does not call it leaves it unread. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  read: () => Promise<Buffer>,
) => void | Promise<void>;

/** A server that does what the test says, one handler a request; the last one stays. */
export interface FaultServer extends AsyncDisposable {
  readonly origin: string;
  /** Requests whose body was read, in order. */
  readonly seen: Seen[];
  /** Requests that began. */
  count(): number;
  readonly sockets: ReadonlySet<Socket>;
}

export async function faultServer(...handlers: Handler[]): Promise<FaultServer> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((request, response) => {
    const handler = handlers[Math.min(count++, handlers.length - 1)]!;
    const read = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const url = new URL(request.url ?? '/', 'http://server');
      seen.push({ method: request.method ?? '', url, headers: request.headers, body });
      return body;
    };
    request.on('error', () => response.destroy());
    Promise.resolve(handler(request, response, read)).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    seen,
    sockets,
    count: () => count,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Reads the request and answers with JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Handler {
  return async (_request, response, read) => {
    await read();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Quick retries, so that a test with six tries takes milliseconds. */
export const QUICK = {
  timeoutMs: 400,
  retry: { tries: 3, baseMs: 1, maxMs: 2 },
} satisfies CommonOptions;

export const BATCH = {
  id: 'batch_1',
  status: 'Validating',
  input_file_id: 'file-1',
  created_at: '2024-07-19T17:13:57.2491382+00:00',
  request_counts: { total: null, completed: null, failed: null },
};

export const FILE = {
  id: 'file-1',
  status: 'pending',
  bytes: 6,
  purpose: 'batch',
  filename: 'a.jsonl',
  created_at: 1721408291,
};

/** A port on which nothing listens. */
export async function closedPort(): Promise<string> {
  const server = await faultServer(json({}));
  const { origin } = server;
  await server[Symbol.asyncDispose]();
  return origin;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
