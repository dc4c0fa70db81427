import type { Handler } from '../service/server.ts';
import { BATCH, FILE, json } from '../service/server.ts';
import type { Toxic } from './proxy.ts';

/** Faults of the line between client and service, by the names of the matrix. */
export const ON_THE_WIRE: Readonly<Record<string, Toxic>> = {
  'slow line, 20 ms a piece': { latencyMs: 20 },
  'narrow line, 50 kB/s': { bytesPerSecond: 50_000 },
  'torn to pieces of 7 bytes': { sliceBytes: 7 },
  'reset at the first byte': { end: { way: 'up', after: 0, how: 'reset' } },
  'reset in the request': { end: { way: 'up', after: 60, how: 'reset' } },
  'reset after the request, the answer lost': { end: { way: 'down', after: 0, how: 'reset' } },
  'closed after the request, the answer lost': { end: { way: 'down', after: 0, how: 'close' } },
  'no answer': { end: { way: 'down', after: 0, how: 'stall' } },
  'answer stops in its head': { end: { way: 'down', after: 20, how: 'stall' } },
  'answer stops in its body': { end: { way: 'down', after: 3, pastHead: true, how: 'stall' } },
  'answer cut in its body': { end: { way: 'down', after: 3, pastHead: true, how: 'close' } },
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

const error = (status: number, headers: Record<string, string> = {}, code = 'someCode') =>
  json({ error: { code, message: 'words of the service' } }, status, headers);

const NOT_LONG = { 'retry-after': '0' };

/** Answers of a service, or of what stands before it, by the names of the matrix. */
export const IN_HTTP: Readonly<Record<string, Handler>> = {
  'no HTTP': raw('SSH-2.0-x\r\n\r\n'),
  'length shorter than the body': raw(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{"id":"b"}',
  ),
  'length longer than the body': raw(
    'HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{"id":"b"}',
  ),
  'error whose body is cut': raw(
    'HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{"error":',
  ),
  'JSON that is none': plain('{"id":', 'application/json'),
  'JSON of something else': plain('[]', 'application/json'),
  'a page instead of JSON': plain('<html><title>Log in</title></html>', 'text/html'),
  'slow, but whole': async (_request, response, read) => {
    await read();
    response.writeHead(200, { 'content-type': 'application/json' });
    for (const char of ' \n \n ') {
      response.write(char);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    response.end(JSON.stringify({ ...BATCH, data: [FILE], token: 'canary-token' }));
  },
  redirect: json({}, 307, { location: 'https://elsewhere.example/x' }),
  '400': error(400),
  '400 token_limit_exceeded': error(400, {}, 'token_limit_exceeded'),
  '400 x-should-retry: true': error(400, { 'x-should-retry': 'true' }),
  '401 to a key': error(401),
  '401 to a token': error(401),
  '403': error(403),
  '404': error(404),
  '408': error(408),
  '409': error(409),
  '429': error(429),
  '429 retry-after in seconds': error(429, NOT_LONG),
  '429 retry-after as a date': error(429, { 'retry-after': new Date(0).toUTCString() }),
  '429 x-should-retry: false': error(429, { 'x-should-retry': 'false' }),
  '500': error(500),
  '502, a page': plain(
    '<html><head><title>502 Bad Gateway</title></head></html>',
    'text/html',
    502,
  ),
  '503': error(503),
  '504, empty': plain('', 'text/plain', 504),
};
