// What do the rows without a good answer cost, which the collect step looks up one by one in the shard's
// files, and how long do they hold the process, when those files are in the system's cache and when they
// are on the disk, where sealing leaves them?

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { seededRandom } from '../src/core/clock.ts';
import { type Answer, ask, type Contender, type Input } from './lib/harness.ts';
import { joinFolder, listed } from './lib/join-data.ts';
import { joinJob } from './lib/joined.ts';

/** The part of the answers that is left out of a job where a tenth of the rows has none. */
const LEFT_OUT = 0.1;

/** A job with the same shards in which a tenth of the rows has no answer. */
function tenthOf(folder: string): void {
  const tenth = `${folder}-tenth`;
  if (existsSync(join(tenth, 'done'))) return;
  const random = seededRandom(5);
  rmSync(tenth, { recursive: true, force: true });
  for (const part of ['shards', 'downloads']) mkdirSync(join(tenth, part), { recursive: true });
  for (const path of listed(folder, 'shards', '')) {
    linkSync(path, join(tenth, 'shards', basename(path)));
  }
  for (const path of listed(folder, 'downloads', '.jsonl')) {
    const kept = readFileSync(path, 'utf8')
      .split(/(?<=\n)/)
      .filter(() => random() >= LEFT_OUT);
    writeFileSync(join(tenth, 'downloads', basename(path)), kept.join(''));
  }
  copyFileSync(join(folder, 'done'), join(tenth, 'done'));
}

/** Takes the shards out of the system's cache, as no one has read them since they were sealed. */
function forget(folder: string): void {
  for (const path of listed(folder, 'shards', '')) {
    const args = [
      `of=${path}`,
      'oflag=nocache',
      'conv=notrunc,fdatasync',
      'count=0',
      'status=none',
    ];
    const { status } = spawnSync('dd', args);
    if (status !== 0) throw new Error(`the cache keeps ${path}: this takes the dd of Linux`);
  }
}

/**
 * Cached or not, the same job must give the same. `held` is the longest time that nothing else of the
 * process had its turn, in ms, which is each one's own.
 */
async function lookUp(folder: string, job: string, own: boolean, cached: boolean): Promise<Answer> {
  if (!cached) forget(folder);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begun = performance.now();
  const { rows, ok } = await joinJob(folder, 'joined', '', own);
  const seconds = (performance.now() - begun) / 1000;
  const held = Math.round(delay.max / 1e6);
  return {
    [`rows, ${job}`]: rows,
    [`ok, ${job}`]: ok,
    [`held, ${job}, ${whereabouts(cached)}`]: held,
    seconds,
  };
}

const JOBS = [
  { what: 'one row in 140', part: '' },
  { what: 'one row in ten', part: '-tenth' },
] as const;

const whereabouts = (cached: boolean) => (cached ? 'cached' : 'on the disk');

function contender(what: string, suffix: string, own: boolean, cached: boolean): Contender {
  const folder = ({ path }: Input) => `${path}${own ? '-own' : ''}${suffix}`;
  const job = `${what}${own ? ", ids of the user's own" : ''}`;
  return {
    name: `${job}, ${whereabouts(cached)}`,
    ours: true,
    reads: folder,
    run: (input) => lookUp(folder(input), job, own, cached),
  };
}

await ask({
  name: 'lookups',
  question: 'the collect step, by where the shards are',
  input(size = '200m') {
    const input = joinFolder(size);
    for (const { path } of [input, joinFolder(size, true)]) tenthOf(path);
    return input;
  },
  contenders: JOBS.flatMap(({ what, part }) =>
    [false, true].flatMap((own) =>
      [true, false].map((cached) => contender(what, part, own, cached)),
    ),
  ),
});
