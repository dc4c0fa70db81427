import { readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ResultRow } from '../../src/core/result.ts';
import { openJob } from '../../src/jobs/job.ts';
import { reopenFailed } from '../../src/jobs/reopen.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const COUNT = 60;
const SHARD_ROWS = 20;
const NOTE = 'n'.repeat(60_000); // 60 kB: 20 rows are above 1 MiB
const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;

/** What of the rows' making lies in the job's directory. */
function material(job: string): string[] {
  return ['shards', 'downloads', 'results'].flatMap((folder) =>
    readdirSync(join(job, folder)).map((name) => `${folder}/${name}`),
  );
}

async function ordinalsOf(out: string): Promise<number[]> {
  const lines = (await readFile(out, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as ResultRow).ordinal);
}

for (const keep of [false, true]) {
  it(`writes large rows from ${keep ? 'files that were asked for' : 'where their answers lie'}`, async () => {
    const dir = await temporaryDirectory();
    const directory = join(dir, 'deferred.job');
    const out = join(dir, 'out.ndjson');
    const rules = [{ on: 'line', after: 4, count: 1, batch: 2, do: 'content-filter' }] as const;
    const emulator = await service({ faults: { rules } });
    const options = { ...FAST, service: targetAt(emulator), sink: out, keep };
    const source = reviews(COUNT).map((review) => ({ ...review, note: NOTE }));
    const status = await runBatchJob({
      ...options,
      ...{ job: directory, source, request, baseModel: 'gpt-4o' },
      limits: { maxRequests: SHARD_ROWS },
    });
    expect(status).toMatchObject({ state: 'finished', ok: COUNT - 1, failed: 1 });
    const all = Array.from({ length: COUNT }, (_, n) => n);
    expect(await ordinalsOf(out)).toEqual(all);
    const rows = (await readFile(out, 'utf8')).trimEnd().split('\n');
    const read = rows.map((row) => JSON.parse(row) as ResultRow);
    expect(read.map(({ record }) => record)).toEqual(source);
    expect(read.every(({ custom_id }, n) => custom_id === `deferred-${n}`)).toBe(true);

    // A failed row may be reopened: then all are written anew.
    const left = material(directory);
    expect(left.filter((name) => name.endsWith('.index')).length).toBe(keep ? 0 : 3);
    expect(left.filter((name) => name.endsWith('.requests.jsonl')).length).toBe(keep ? 4 : 1);
    await rm(out);
    const job = await openJob(directory, { mode: 'open' });
    await resumeBatchJob(job, options);
    expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toEqual(rows);
    await reopenFailed(job);
    expect(await resumeBatchJob(job, options)).toMatchObject({ ok: COUNT, failed: 0 });
    expect(await ordinalsOf(out)).toEqual(all);
    await job.close();
    if (!keep) expect(material(directory)).toEqual([]);
  });
}
