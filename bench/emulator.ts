/**
 * Question: how fast does the emulator take a file, validate it, answer it and serve the answers,
 * and does its memory grow with the file?
 *
 * Each size runs in a process of its own, the client in another one, over real HTTP. The answers are
 * checked before a row is printed: every id once. Run: `node bench/emulator.ts [REQUESTSxWORDS...]`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startEmulator } from '../src/emulator/index.ts';

/** Requests, and words in each: the last file is about as large as one may be. */
const SIZES = ['10000x60', '50000x60', '100000x60', '100000x330'];
const WORDS =
  'the parcel came late but the jacket fits well and looks better than in the picture'.split(' ');

interface Row {
  readonly requests: number;
  readonly megabytes: number;
  readonly uploadMs: number;
  readonly validateMs: number;
  readonly answerMs: number;
  readonly serveMs: number;
  readonly servedMegabytes: number;
  readonly peakMegabytes: number;
}

if (process.argv[2] === 'serve') await serve();
else await main(process.argv.slice(2));

/** The server's process. Tells its address, then its peak memory when it is asked. */
async function serve(): Promise<void> {
  const emulator = await startEmulator({ speed: 1e9 });
  process.send?.(emulator.url);
  process.on('message', () => {
    process.send?.(process.resourceUsage().maxRSS / 1024);
  });
  process.on('disconnect', () => void emulator.close());
}

async function main(sizes: readonly string[]): Promise<void> {
  const rows: Row[] = [];
  for (const size of sizes.length > 0 ? sizes : SIZES) {
    const [requests = 0, words = 60] = size.split('x').map(Number);
    rows.push(await measure(requests, words));
  }
  print(rows);
}

async function measure(requests: number, words: number): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const child = fork(import.meta.filename, ['serve']);
  try {
    const [url] = (await once(child, 'message')) as [string];
    const path = join(folder, 'in.jsonl');
    const bytes = await writeInput(path, requests, words);
    const call = callerOf(`${url}/v1`);
    const form = new FormData();
    form.set('purpose', 'batch');
    form.set('file', await openAsBlob(path, { type: 'application/jsonl' }), 'in.jsonl');
    const [file, uploadMs] = await timed(() => call('POST', '/files', form));
    const ready = async () => {
      for (;;) {
        const { status } = await call('GET', `/files/${file.id}`);
        if (status === 'processed') return;
        await delay(20);
      }
    };
    const [, validateMs] = await timed(ready);
    const run = async () => {
      const { id } = await call('POST', '/batches', {
        input_file_id: file.id,
        endpoint: '/chat/completions',
        completion_window: '24h',
      });
      for (;;) {
        const batch = await call('GET', `/batches/${id}`);
        if (batch.status === 'completed') return batch;
        if (batch.status === 'failed') throw new Error(JSON.stringify(batch.errors));
        await delay(20);
      }
    };
    const [batch, answerMs] = await timed(run);
    const [served, serveMs] = await timed(() => download(url, String(batch.output_file_id)));
    const ids = new Set(served.toString('utf8').match(/"custom_id":"r-\d+"/g));
    if (ids.size !== requests) throw new Error(`${ids.size} of ${requests} ids came back`);
    return {
      requests,
      megabytes: bytes / 1e6,
      uploadMs,
      validateMs,
      answerMs,
      serveMs,
      servedMegabytes: served.length / 1e6,
      peakMegabytes: await peakOf(child),
    };
  } finally {
    child.disconnect();
    await once(child, 'exit');
    await rm(folder, { recursive: true });
  }
}

/** A file of reviews. */
async function writeInput(path: string, requests: number, words: number): Promise<number> {
  const file = await open(path, 'w');
  let bytes = 0;
  for (let at = 0; at < requests; at += 1000) {
    let block = '';
    for (let line = at; line < Math.min(requests, at + 1000); line += 1) {
      let review = `Review ${line}:`;
      for (let word = 0; word < words; word += 1)
        review += ` ${WORDS[(line * 7 + word * word) % WORDS.length]}`;
      const messages = [
        { role: 'system', content: 'Label the review as good, bad or mixed.' },
        { role: 'user', content: review },
      ];
      const body = { model: 'gpt-4o-batch', messages, max_tokens: 20 };
      block += `${JSON.stringify({ custom_id: `r-${line}`, method: 'POST', url: '/chat/completions', body })}\n`;
    }
    bytes += (await file.write(block)).bytesWritten;
  }
  await file.close();
  return bytes;
}

function callerOf(base: string) {
  return async (method: string, path: string, body?: FormData | object) => {
    const isForm = body instanceof FormData;
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        'api-key': 'millrace-emulator-key',
        ...(isForm || body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>;
  };
}

async function download(url: string, id: string): Promise<Buffer> {
  const response = await fetch(`${url}/v1/files/${id}/content`, {
    headers: { 'api-key': 'millrace-emulator-key' },
  });
  return Buffer.from(await response.arrayBuffer());
}

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await run();
  return [result, performance.now() - start];
}

async function peakOf(child: ChildProcess): Promise<number> {
  child.send('peak');
  const [peak] = (await once(child, 'message')) as [number];
  return peak;
}

function print(rows: readonly Row[]): void {
  console.log(
    '| requests | file, MB | upload, MB/s | validate + count, lines/s | answer, lines/s | serve, MB/s | peak memory, MB |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const rate = (amount: number, ms: number) => Math.round(amount / (ms / 1000));
    console.log(
      `| ${row.requests} | ${row.megabytes.toFixed(1)} | ${rate(row.megabytes, row.uploadMs)} | ${rate(row.requests, row.validateMs)} | ${rate(row.requests, row.answerMs)} | ${rate(row.servedMegabytes, row.serveMs)} | ${Math.round(row.peakMegabytes)} |`,
    );
  }
}
