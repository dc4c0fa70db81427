import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { openJob, withJobStore } from '../../src/jobs/job.ts';
import { resumeBatchJob } from '../../src/jobs/run.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { FAST, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';

/** A job directory of every release that there was, made by make-fixture.ts and never changed. */
const RELEASES = ['v1'];

async function copyOf(release: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'fixture.job');
  await cp(join(import.meta.dirname, '../fixtures/jobs', release), path, { recursive: true });
  return path;
}

for (const release of RELEASES) {
  it(`resumes a job of ${release}`, async () => {
    const path = await copyOf(release);
    const sink = join(path, '..', 'out.ndjson');
    const emulator = await service();
    const job = await openJob(path, { mode: 'open' });
    const status = await resumeBatchJob(job, { ...FAST, service: targetAt(emulator), sink });
    await job.close();
    expect(status).toMatchObject({ state: 'finished', ok: 12, failed: 0, rejected: 1, pending: 0 });
    const rows = (await readFile(sink, 'utf8')).trim().split('\n');
    const read = rows.map((row) => JSON.parse(row) as ResultRow<{ id: number }>);
    expect(read.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 13 }, (_, n) => n));
    expect(read.every(({ ordinal, record }) => record.id === ordinal)).toBe(true);
  });

  it(`refuses what a release after this one made of ${release}, in words`, async () => {
    const path = await copyOf(release);
    const database = new DatabaseSync(join(path, 'job.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    const refusal = { code: 'job_too_new', message: expect.stringMatching(/upgrade millrace/) };
    await expect(openJob(path, { mode: 'open' })).rejects.toMatchObject(refusal);
    const read = withJobStore(path, (store) => store.read(readStatus));
    await expect(read).rejects.toMatchObject(refusal);
  });

  it(`says what is missing from a half deleted job of ${release}`, async () => {
    const cases = [
      ['shards/p0000-0002.records.ndjson', /p0000-0002/],
      ['shards/p0000-0002.requests.jsonl', /p0000-0002\.requests\.jsonl is gone/],
      ['results/p0000-0000.ndjson', /results_gone|p0000-0000\.ndjson is gone/],
      ['rejected.ndjson', /rejected\.ndjson/],
    ] as const;
    for (const [name, words] of cases) {
      const path = await copyOf(release);
      const whole = await copyOf(release);
      await rm(join(path, name));
      const emulator = await service();
      const sink = join(path, '..', 'out.ndjson');
      const job = await openJob(path, { mode: 'open' });
      const options = { ...FAST, service: targetAt(emulator), sink };
      await expect(resumeBatchJob(job, options)).rejects.toThrow(words);
      await cp(join(whole, name), join(path, name));
      expect(await resumeBatchJob(job, options)).toMatchObject({ state: 'finished', ok: 12 });
      await job.close();
    }
  });
}
