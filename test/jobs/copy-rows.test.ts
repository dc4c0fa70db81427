import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { copyRows, type RowOrder } from '../../src/jobs/copy-rows.ts';
import type { ResultFile } from '../../src/join/merge.ts';
import type { LineSink } from '../../src/sinks/line-sink.ts';
import { lines, okLine, plainRows, TestJob } from '../join/helpers.ts';

const SHARDS = 5;
const SHARD_ROWS = 40;
const TEXT = 'x'.repeat(8_000); // 8 kB: a shard's rows are more than a block of lines

/** Looks at what it is given only when it is done with it, as a slow disk does. */
class SlowSink implements LineSink {
  readonly parts: Buffer[] = [];

  async writeLines(bytes: Uint8Array): Promise<void> {
    await sleep(20);
    this.parts.push(Buffer.from(bytes));
  }

  writeLine(): void {}
  write(): void {}
  async close(): Promise<void> {}
  async abort(): Promise<void> {}

  get ordinals(): number[] {
    const text = Buffer.concat(this.parts).toString().trimEnd();
    return text.split('\n').map((line) => (JSON.parse(line) as ResultRow).ordinal);
  }
}

/** Shards one after the other, their rows left in the downloads or written out. */
async function joined(job: TestJob, deferFrom: number): Promise<ResultFile[]> {
  const rows = plainRows(SHARDS * SHARD_ROWS).map((row) => ({ ...row, record: TEXT }));
  const files: ResultFile[] = [];
  for (let shard = 0; shard < SHARDS; shard++) {
    const name = `p000000-s0000${shard}`;
    const own = rows.slice(shard * SHARD_ROWS, (shard + 1) * SHARD_ROWS);
    job.seal(own, name);
    const output = `downloads/${name}.output.jsonl`;
    const answers = own.map(({ id }) => okLine(id)).reverse();
    await job.join({ output: job.write(output, lines(answers)), error: null }, { name, deferFrom });
    files.push({
      path: `${job.directory}/results/${name}.ndjson`,
      firstOrdinal: own[0]!.ordinal,
      lastOrdinal: own.at(-1)!.ordinal,
      rows: own.length,
    });
  }
  return files;
}

describe.each([
  ['deferred', 0],
  ['written', Number.POSITIVE_INFINITY],
])('rows that were %s', (_, deferFrom) => {
  test.each<RowOrder>(['source', 'arrival'])('reach a slow sink whole, by %s', async (order) => {
    using job = new TestJob();
    const files = await joined(job, deferFrom);
    const sink = new SlowSink();
    expect(await copyRows(files, sink, { order })).toBe(SHARDS * SHARD_ROWS);
    expect(sink.ordinals).toEqual(Array.from({ length: SHARDS * SHARD_ROWS }, (_, n) => n));
  });
});
