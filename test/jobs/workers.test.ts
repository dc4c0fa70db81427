import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { openJob } from '../../src/jobs/job.ts';
import { type PrepareOptions, prepareJob } from '../../src/jobs/prepare.ts';
import { png } from '../requests/images.ts';
import { type Review, reviews, temporaryDirectory } from './helpers.ts';

const request = {
  kind: 'prompt',
  model: 'm',
  prompt: 'Label: {{text}}',
  system: 'Be brief.',
} as const;
const small = { limits: { maxRequests: 90 }, partitionBytes: 12 * 1024, baseModel: 'gpt-4o' };

function csv(rows: readonly Review[]): string {
  const lines = rows.map(({ id, text }, n) =>
    // Every fiftieth row is ragged: a rejected record, which keeps its ordinal.
    n % 50 === 7 ? `${id},too,many` : `${id},"${text.replaceAll('"', '""')}"`,
  );
  return `id,text\n${lines.join('\n')}\n`;
}

async function sources(dir: string): Promise<string[]> {
  const paths = ['a.csv', 'b.csv', 'c.csv'].map((name) => join(dir, name));
  for (const [n, path] of paths.entries()) await writeFile(path, csv(reviews(200 * (n + 1))));
  return paths;
}

/** Every file of a job but its databases, by the hash of its bytes. */
async function filesOf(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.db/.test(entry.name)) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    found[entry.name] = createHash('sha256').update(bytes).digest('hex');
  }
  return found;
}

async function prepared(dir: string, name: string, options: PrepareOptions<Review>) {
  const path = join(dir, name);
  // One name for all: it begins every custom_id.
  const job = await openJob(path, { name: 'same' });
  try {
    const plan = await prepareJob(job, options);
    const shards = await job.store.read((tx) => tx.shards());
    const partitions = await job.store.read((tx) => tx.partitions());
    return { plan, shards, partitions, files: await filesOf(path) };
  } finally {
    await job.close();
  }
}

it('reads images beside the source in worker threads as in this one', async () => {
  const dir = await temporaryDirectory();
  const source = join(dir, 'images.csv');
  const rows = Array.from({ length: 400 }, (_, n) => `${n}.png,${'x'.repeat(100)}`);
  await writeFile(source, `photo,text\n${rows.join('\n')}\n`);
  for (let n = 0; n < 400; n += 2) await writeFile(join(dir, `${n}.png`), png(n + 1, 8));
  const options = { source, request: { ...request, imageField: 'photo' }, ...small };
  const one = await prepared(dir, 'one.job', { ...options, workers: 1 });
  const two = await prepared(dir, 'two.job', { ...options, workers: 2 });
  expect(one.partitions.length).toBeGreaterThan(2);
  expect(one.plan).toMatchObject({ records: 400, requests: 200, rejected: 200 });
  expect(two).toEqual(one);
});

it('hands a schema object to worker threads as plain data', async () => {
  const dir = await temporaryDirectory();
  const [source = ''] = await sources(dir);
  const schema = z.object({ stars: z.int() });
  const options = { source, request: { model: 'm', prompt: '{{text}}', schema }, ...small };
  const two = await prepared(dir, 'two.job', { ...options, workers: 2 });
  expect(two.partitions.length).toBeGreaterThan(1);
  expect(two).toEqual(await prepared(dir, 'one.job', { ...options, workers: 1 }));
  const [name = ''] = Object.keys(two.files).filter((file) => /requests/.test(file));
  expect(await readFile(join(dir, 'two.job/shards', name), 'utf8')).toContain(
    '"required":["stars"]',
  );
});

it('makes the same directory with one, two and three workers', async () => {
  const dir = await temporaryDirectory();
  const source = await sources(dir);
  const one = await prepared(dir, 'one.job', { source, request, ...small, workers: 1 });
  expect(one.plan).toMatchObject({ records: 1200, rejected: 24, requests: 1176 });
  expect(one.partitions.length).toBeGreaterThan(6);
  expect(Object.keys(one.files).length).toBeGreaterThan(one.shards.length * 2);
  for (const workers of [2, 3]) {
    const more = await prepared(dir, `${workers}.job`, { source, request, ...small, workers });
    expect(more.plan).toEqual(one.plan);
    expect(more.files).toEqual(one.files);
    expect(more.shards).toEqual(one.shards);
  }
});

it('makes the same from a module in workers as in this thread', async () => {
  const dir = await temporaryDirectory();
  const source = await sources(dir);
  const path = join(dir, 'request.mjs');
  await writeFile(
    path,
    "export default { model: 'm', messages: (r) => [{ role: 'user', content: r.text }] };\n",
  );
  const options = { source, request: pathToFileURL(path), ...small };
  const one = await prepared(dir, 'one.job', { ...options, workers: 1 });
  const two = await prepared(dir, 'two.job', { ...options, workers: 2 });
  expect(one.plan.requests).toBe(1176);
  expect(two.files).toEqual(one.files);
});

it('goes on in workers where a stopped preparation was, with another number of them', async () => {
  const dir = await temporaryDirectory();
  const source = await sources(dir);
  const whole = await prepared(dir, 'whole.job', { source, request, ...small, workers: 1 });
  const path = join(dir, 'stopped.job');
  for (const workers of [3, 2]) {
    const job = await openJob(path, { name: 'same' });
    const stop = new AbortController();
    let seals = 0;
    job.onChange(() => {
      seals += 1;
      if (seals === 3) stop.abort();
    });
    const options = { source, request, ...small, workers, signal: stop.signal };
    await expect(prepareJob(job, options)).rejects.toThrow(/abort/i);
    const parts = await job.store.read((tx) => tx.partitions());
    expect(parts.some(({ state }) => state !== 'prepared')).toBe(true);
    await job.close();
  }
  const rest = await prepared(dir, 'stopped.job', { source, request, ...small, workers: 2 });
  expect(rest.plan).toEqual(whole.plan);
  expect(rest.files).toEqual(whole.files);
});

it('tells the error of a worker by its code and class', async () => {
  const dir = await temporaryDirectory();
  const source = await sources(dir);
  const strict = prepared(dir, 'strict.job', {
    source,
    request,
    ...small,
    strict: true,
    workers: 2,
  });
  await expect(strict).rejects.toMatchObject({ code: 'ragged_row', name: 'MillraceError' });
  const none = prepared(dir, 'none.job', { source, request, ...small, workers: 0 });
  await expect(none).rejects.toMatchObject({ code: 'usage' });
});

// Memory runs out as the engine says it; a thread that truly fills its heap takes gigabytes.
it.each([
  ['process.exit(7)', /p0001 of .*b\.csv ended with exit code 7; what is sealed is kept/],
  [
    'setImmediate(() => { throw new TypeError(r.text); })',
    /an error that nobody caught \(TypeError\)/,
  ],
  [
    "setImmediate(() => { throw Object.assign(new Error(), { code: 'ERR_WORKER_OUT_OF_MEMORY' }); })",
    /ran out of memory.*max-old-space/,
  ],
])('says what a worker died of, and goes on: %s', async (death, words) => {
  const dir = await temporaryDirectory();
  const source = (await sources(dir)).slice(0, 2);
  const path = join(dir, 'request.mjs');
  const flag = join(dir, 'die');
  await writeFile(
    path,
    `import { existsSync } from 'node:fs';
    import { isMainThread } from 'node:worker_threads';
    function messages(r) {
      if (r.id === 'r250' && !isMainThread && existsSync(${JSON.stringify(flag)})) { ${death}; }
      return [{ role: 'user', content: r.text }];
    }
    export default { model: 'm', messages };\n`,
  );
  const options = { source, request: pathToFileURL(path), baseModel: 'gpt-4o', workers: 2 };
  const cut = { limits: { maxRequests: 90 }, partitionBytes: 1024 * 1024 };
  const whole = await prepared(dir, 'whole.job', { ...options, ...cut });
  await writeFile(flag, '');
  const dead = prepared(dir, 'dead.job', { ...options, ...cut });
  await expect(dead).rejects.toMatchObject({
    code: 'worker_failed',
    message: expect.stringMatching(words),
  });
  await rm(flag);
  const rest = await prepared(dir, 'dead.job', { ...options, ...cut });
  expect(rest.plan).toEqual(whole.plan);
  expect(rest.files).toEqual(whole.files);
});
