// Joins the job that join-data.ts made, by the code that the collect step and `--out` run.
import { mkdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { ResultFile } from '../../src/join/merge.ts';
import type { LineSink } from '../../src/sinks/line-sink.ts';
import { compiled } from './build.ts';
import { listed, shardsOf } from './join-data.ts';

/**
 * `joined`: what the collect step does when a batch has ended. `written`: the rows in one file in the
 * order of the source, left to the page cache as `cat` does. `durable`: as `--out` does it.
 */
export type Goal = 'joined' | 'written' | 'durable';

export interface Joined {
  readonly rows: number;
  readonly ok: number;
}

/** Joins every shard and writes the rows to `out`; leaves the job as it was. */
export async function joinJob(
  folder: string,
  goal: Goal,
  out: string,
  own = false,
): Promise<Joined> {
  const { joinShard } =
    await compiled<typeof import('../../src/join/join-shard.ts')>('join/join-shard');
  const { CONCURRENCY } = await compiled<typeof import('../../src/jobs/lanes.ts')>('jobs/lanes');
  mkdirSync(join(folder, 'results'), { recursive: true });
  // As many at a time as the driver takes.
  const limit = pLimit(CONCURRENCY.collect);
  let expected = 0;
  const places = shardsOf(folder).map(({ name, rows: inShard }) => {
    const first = expected;
    expected += inShard;
    return { name, first, rows: inShard };
  });
  const summaries = await limit.map(places, ({ name, ...range }) => {
    const download = (which: string) => join(folder, 'downloads', `${name}.${which}.jsonl`);
    return joinShard({
      directory: folder,
      name,
      batch: 'batch_1',
      answers: { output: download('output'), error: download('error') },
      maxAttempts: 1,
      at: '2026-01-01T00:00:00.000Z',
      deferFrom: 0,
      ordinals: own ? undefined : { prefix: 'bench-', ...range },
    });
  });
  const sum = (what: 'rows' | 'ok') => summaries.reduce((total, one) => total + one[what], 0);
  const [rows, ok] = [sum('rows'), sum('ok')];
  const files: ResultFile[] = places.map(({ name, first, rows: inShard }) => ({
    path: join(folder, 'results', `${name}.ndjson`),
    firstOrdinal: first,
    lastOrdinal: first + inShard - 1,
    rows: inShard,
  }));
  if (goal !== 'joined') {
    const { copyRows } =
      await compiled<typeof import('../../src/jobs/copy-rows.ts')>('jobs/copy-rows');
    const { createSink } =
      await compiled<typeof import('../../src/sinks/create-sink.ts')>('sinks/create-sink');
    const sink = goal === 'durable' ? createSink(out) : await plainFile(out);
    const copied = await copyRows(files, sink, {});
    if (copied !== rows) throw new Error(`${copied} rows came out of ${rows}`);
  }
  rmSync(join(folder, 'results'), { recursive: true });
  for (const kept of listed(folder, 'shards', '')) if (kept.includes('.failed.')) rmSync(kept);
  return { rows, ok };
}

/** A sink that leaves its file to the page cache. */
async function plainFile(path: string): Promise<LineSink> {
  const file = await open(path, 'w');
  const write = async (lines: Uint8Array) => {
    for (let at = 0; at < lines.length; ) at += (await file.write(lines, at)).bytesWritten;
  };
  const close = () => file.close();
  return { write: () => undefined, writeLine: write, writeLines: write, close, abort: close };
}

// As a process of its own, whose memory is looked at: prints what was joined.
if (process.argv[1] === import.meta.filename) {
  const [folder, out] = process.argv.slice(2);
  const joined = folder === undefined ? null : await joinJob(folder, 'durable', out!);
  process.stdout.write(`${JSON.stringify(joined)}\n`);
}
