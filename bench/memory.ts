// Does the memory of a whole run, of preparing and of collecting grow with the data?
//   npm run bench -- memory run 10k 300k
//   npm run bench -- memory prepare 100m 1g 10g

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DATA, dataFile } from './lib/data.ts';
import { machine, readResult, saveResult } from './lib/harness.ts';
import { startEmulatorProcess, type Watched, watchMillrace } from './lib/processes.ts';
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

const count = (text: string) => Number(text.replace(/k$/, '000'));
const points: MemoryResult['points'] = [];
for (const size of sizes.length > 0 ? sizes : ['10k', '100k', '300k']) {
  const { stderr, ...watched } =
    what === 'prepare' ? await prepare(size, '2') : await run(count(size));
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
