// Does the memory of a whole run, of preparing and of collecting grow with the data?
//   npm run bench -- memory run 10k 300k
//   npm run bench -- memory prepare 100m 1g 10g
//   npm run bench -- memory join 100m 1g 10g

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lineBlocks } from '../src/join/line-blocks.ts';
import { KEEP_COMPILED } from './lib/build.ts';
import { DATA, dataFile } from './lib/data.ts';
import { machine, readResult, saveResult } from './lib/harness.ts';
import { joinFolder, replyTo, shardsOf } from './lib/join-data.ts';
import { startEmulatorProcess, type Watched, watch, watchMillrace } from './lib/processes.ts';
import { rowsFile } from './lib/rows.ts';

const [what = 'run', ...sizes] = process.argv.slice(2);
const REQUEST = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}'];

export interface MemoryResult {
  readonly what: string;
  readonly points: (Omit<Watched, 'stderr'> & { readonly size: string })[];
}

async function run(rows: number): Promise<Watched> {
  const source = await rowsFile(rows);
  const folder = mkdtempSync(join(DATA, 'memory-'));
  const emulator = await startEmulatorProcess([
    ...['--data', join(folder, 'service'), '--speed', '3600'],
  ]);
  try {
    const out = join(folder, 'out.ndjson');
    const watched = await watchMillrace(
      ['run', source, '--job', join(folder, 'bench.job'), '--out', out, ...REQUEST].concat([
        '--poll-interval',
        '250ms',
        '--max-requests',
        '10000',
      ]),
      emulator.env,
    );
    return watched;
  } finally {
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function prepare(size: string, workers: string): Promise<Watched> {
  const { path } = await dataFile('ndjson', size);
  const folder = mkdtempSync(join(DATA, 'memory-'));
  try {
    return await watchMillrace([
      ...['prepare', path, '--job', join(folder, 'bench.job'), ...REQUEST, '--workers', workers],
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The answers of a job joined to its records and written to one file; the rows are then checked. */
async function joinOf(size: string): Promise<Watched> {
  const { path } = joinFolder(size);
  const out = join(DATA, 'memory-join.ndjson');
  try {
    const script = join(import.meta.dirname, 'lib', 'joined.ts');
    await watch([script], KEEP_COMPILED);
    const watched = await watch([script, path, out], KEEP_COMPILED);
    if (watched.code === 0) await checkRows(path, out);
    return watched;
  } finally {
    rmSync(out, { force: true });
  }
}

/** Every row stands at its place, and a sample of the ok ones has the answer to its own record. */
async function checkRows(folder: string, out: string): Promise<void> {
  let rows = 0;
  for await (const { buffer, start, end } of lineBlocks(out, { reuse: true })) {
    for (let at = start; at < end; at = buffer.indexOf('\n', at) + 1) {
      const head = `{"ordinal":${rows},"custom_id":"bench-${rows}","status":"`;
      if (buffer.toString('latin1', at, at + head.length) !== head)
        throw new Error(`row ${rows} is wrong`);
      if (rows++ % SAMPLE_EVERY !== 0) continue;
      const row = JSON.parse(buffer.toString('utf8', at, buffer.indexOf('\n', at))) as SampleRow;
      const said = row.response?.body.choices?.[0]?.message.content;
      if (row.status === 'ok' && said !== replyTo(row.record.text)) {
        throw new Error(`row ${row.ordinal} has another row's answer`);
      }
    }
  }
  const expected = shardsOf(folder).reduce((sum, shard) => sum + shard.rows, 0);
  if (rows !== expected) throw new Error(`${rows} rows came out of ${expected}`);
}

const SAMPLE_EVERY = 97;

interface SampleRow {
  readonly ordinal: number;
  readonly status: string;
  readonly record: { readonly text: string };
  readonly response: {
    readonly body: {
      readonly choices?: readonly { readonly message: { readonly content: string } }[];
    };
  } | null;
}

const count = (text: string) => Number(text.replace(/k$/, '000'));
const measured = (size: string): Promise<Watched> => {
  if (what === 'join') return joinOf(size);
  return what === 'prepare' ? prepare(size, '2') : run(count(size));
};
const points: MemoryResult['points'] = [];
for (const size of sizes.length > 0 ? sizes : ['10k', '100k', '300k']) {
  const { stderr, ...watched } = await measured(size);
  if (watched.code !== 0) throw new Error(`${what} ${size} ended with ${watched.code}: ${stderr}`);
  points.push({ size, ...watched });
  process.stdout.write(
    `${what} ${size}: peak ${watched.peakMiB.toFixed(0)} MiB, ${watched.seconds.toFixed(1)} s, ` +
      `CPU ${watched.cpu.toFixed(1)} s\n`,
  );
}
const kept = readResult<{ results?: MemoryResult[] }>('memory')?.results ?? [];
const results = [...kept.filter((result) => result.what !== what), { what, points }];
saveResult('memory', { name: 'memory', ...machine(), results });
