// The service's file calls and nothing else, as fast as node:http goes: takes uploads without keeping
// them, and gives one file of answers. In a process of its own; prints its address.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [path = ''] = process.argv.slice(2);

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': statSync(path).size,
    });
    createReadStream(path, { highWaterMark: 1 << 20 }).pipe(response);
    return;
  }
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    const file = { id: 'file-1', object: 'file', status: 'processed', purpose: 'batch' };
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...file, bytes, filename: 'a.jsonl', created_at: 1 }));
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
