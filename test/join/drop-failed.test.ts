import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dropFailed } from '../../src/join/drop-failed.ts';
import { failedLine, lines, NAME, okLine, plainRows, TestJob } from './helpers.ts';

async function joinedJob(): Promise<TestJob> {
  const job = new TestJob();
  const rows = plainRows(6).map((row) => ({ ...row, record: ',"status":"failed",' }));
  job.seal(rows);
  const answers = rows.map(({ id, ordinal }) => (ordinal % 2 ? okLine(id) : failedLine(id, 400)));
  await job.join({ output: job.output(lines(answers)), error: null });
  return job;
}

const rename = (job: TestJob, from: string, to: string) =>
  renameSync(join(job.directory, 'shards', from), join(job.directory, 'shards', to));

describe('dropFailed', () => {
  test('reopens the failed rows and keeps the others', async () => {
    using job = await joinedJob();
    const before = job.files();
    expect(await dropFailed(job.directory, NAME)).toEqual({ kept: 3, dropped: 3 });
    expect(job.rows().map((row) => [row.ordinal, row.status])).toEqual([
      [1, 'ok'],
      [3, 'ok'],
      [5, 'ok'],
    ]);
    const after = job.files();
    for (const kind of ['requests.jsonl', 'records.ndjson']) {
      const was = before[`shards/${NAME}.failed.${kind}`];
      expect(was).toBeDefined();
      expect(after[`shards/${NAME}.leftover.${kind}`]).toBe(was);
      expect(after[`shards/${NAME}.failed.${kind}`]).toBeUndefined();
    }
  });

  test('is finished by the same call wherever it was cut short', async () => {
    using whole = await joinedJob();
    await dropFailed(whole.directory, NAME);
    const expected = whole.files();
    expect(await dropFailed(whole.directory, NAME)).toEqual({ kept: 3, dropped: 3 });
    expect(whole.files()).toEqual(expected);

    const cuts: ((job: TestJob) => void)[] = [
      (job) => {
        const kept = job
          .text(`results/${NAME}.ndjson`)
          .split('\n')
          .filter((_, n) => n % 2 === 1);
        job.write(`results/${NAME}.ndjson`, lines(kept));
      },
      (job) => rename(job, `${NAME}.failed.records.ndjson`, `${NAME}.leftover.records.ndjson`),
      (job) => rename(job, `${NAME}.failed.requests.jsonl`, `${NAME}.leftover.requests.jsonl`),
    ];
    for (let steps = 1; steps <= cuts.length; steps++) {
      using job = await joinedJob();
      for (const cut of cuts.slice(0, steps)) cut(job);
      expect(await dropFailed(job.directory, NAME)).toEqual({ kept: 3, dropped: 3 });
      expect(job.files()).toEqual(expected);
    }
  });

  test('leaves no result file when every row had failed', async () => {
    using job = new TestJob();
    job.seal(plainRows(1));
    await job.join({ output: job.output(failedLine('job-0', 400)), error: null });
    expect(await dropFailed(job.directory, NAME)).toEqual({ kept: 0, dropped: 1 });
    expect(job.files()[`results/${NAME}.ndjson`]).toBeUndefined();
  });
});
