// How fast do request files go up and answers come down, beside fetch, FormData and undici alone? The
// server is a process on the same cores.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, openAsBlob, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { compiled } from './lib/build.ts';
import { dataFile } from './lib/data.ts';
import { type Answer, ask, type Task } from './lib/harness.ts';

const KEY = 'bench';

/** Runs `work` with the address of a server that gives the file. */
async function served(path: string, work: (url: string) => Promise<Answer>): Promise<Answer> {
  const script = join(import.meta.dirname, 'lib', 'file-server.ts');
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    // Modules are loaded by a first, small call that is not timed.
    await fetch(url, { method: 'POST', body: '{}' });
    return await work(url);
  } finally {
    child.kill();
  }
}

async function service(url: string) {
  const { azureOpenAI } =
    await compiled<typeof import('../src/service/targets.ts')>('service/targets');
  return azureOpenAI({ endpoint: url, apiKey: KEY, deployment: 'bench' }).service;
}

/** The first call loads the HTTP client, as that of `served` does for fetch. */
async function warm(files: Awaited<ReturnType<typeof service>>): Promise<void> {
  const body = Buffer.from('{}\n');
  await files.uploadFile({
    name: 'w.jsonl',
    bytes: body.length,
    open: () => Readable.from([body]),
  });
}

const since = (begun: number) => (performance.now() - begun) / 1000;

async function fetchForm(path: string, url: string): Promise<Answer> {
  const begun = performance.now();
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', await openAsBlob(path), 'a.jsonl');
  const answer = await fetch(`${url}/openai/files`, {
    method: 'POST',
    headers: { 'api-key': KEY },
    body: form,
  });
  await answer.json();
  return { sent: statSync(path).size, seconds: since(begun) };
}

async function downloaded(
  { scratch }: Task,
  work: (file: string) => Promise<number>,
): Promise<Answer> {
  const file = join(scratch, 'answers.jsonl');
  const begun = await work(file);
  const seconds = since(begun);
  return { got: statSync(file).size, seconds };
}

await ask({
  name: 'transfer',
  question: 'a request file up, a file of answers down',
  runs: 5,
  input: (size = '200m') => dataFile('ndjson', size),
  contenders: [
    {
      name: 'millrace, up',
      ours: true,
      run: ({ path }) =>
        served(path, async (url) => {
          const bytes = statSync(path).size;
          const open = () => createReadStream(path, { highWaterMark: 1 << 20 });
          const files = await service(url);
          await warm(files);
          const begun = performance.now();
          await files.uploadFile({ name: 'a.jsonl', bytes, open });
          return { sent: bytes, seconds: since(begun) };
        }),
    },
    {
      name: 'fetch + FormData, up',
      run: ({ path }) => served(path, (url) => fetchForm(path, url)),
    },
    {
      name: 'millrace, down to a file',
      ours: true,
      run: (task) =>
        served(task.path, (url) =>
          downloaded(task, async (file) => {
            const { AtomicFile } =
              await compiled<typeof import('../src/streams/atomic-file.ts')>('streams/atomic-file');
            const files = await service(url);
            await warm(files);
            const begun = performance.now();
            const { body } = await files.downloadFile('file-1', 0);
            const out = await AtomicFile.create(file);
            for await (const block of body) await out.write(block);
            await out.commit();
            return begun;
          }),
        ),
    },
    {
      name: 'undici.request piped to a file, down',
      run: (task) =>
        served(task.path, (url) =>
          downloaded(task, async (file) => {
            const { request } = await import('undici');
            const begun = performance.now();
            const { body } = await request(`${url}/openai/files/file-1/content`);
            await pipeline(body, createWriteStream(file));
            return begun;
          }),
        ),
    },
  ],
});
