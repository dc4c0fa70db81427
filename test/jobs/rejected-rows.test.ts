import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { gatherRejected } from '../../src/jobs/rejected-rows.ts';
import { writeShards } from '../../src/jobs/write-shards.ts';
import { buildRequests } from '../../src/requests/build-requests.ts';
import { fromIterable } from '../../src/sources/iterable.ts';
import { countTokens } from '../../src/tokens/count-tokens.ts';
import { temporaryDirectory } from './helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: '{{text}}' } as const;

async function prepared() {
  const folder = await temporaryDirectory();
  const source = join(folder, 's.ndjson');
  await writeFile(source, '{"text":"1"}\n{\n{"text":"2"}\n[]\n');
  const job = await openJob(join(folder, 'bad.job'));
  const options = { source, request, partitionBytes: 14, workers: 1, count: false };
  expect(await prepareJob(job, options)).toMatchObject({ requests: 2, rejected: 2 });
  return { job, options };
}

it('keeps the rejected rows in one file once all is prepared', async () => {
  const { job, options } = await prepared();
  const { directory } = job;
  const rows = await readFile(directory.rejected, 'utf8');
  expect(rows.trimEnd().split('\n')).toHaveLength(2);
  const parts = async () =>
    (await readdir(join(directory.path, 'shards'))).filter((name) => name.includes('rejected'));
  expect(await parts()).toEqual([]);
  expect(await prepareJob(job, options)).toMatchObject({ requests: 2, rejected: 2 });
  expect(await readFile(directory.rejected, 'utf8')).toBe(rows);
  // A process that died behind the file, and before all parts were dropped.
  const partitions = await job.store.read((tx) => tx.partitions());
  const [one, ...others] = partitions.filter(({ progress }) => progress.rejectedBytes > 0);
  expect(others.length).toBeGreaterThan(0);
  await writeFile(directory.rejectedPart(one!.name), 'x'.repeat(one!.progress.rejectedBytes));
  await gatherRejected(directory, partitions, true);
  expect(await readFile(directory.rejected, 'utf8')).toBe(rows);
  expect(await parts()).toEqual([]);
  // And one that died before the file was whole.
  const [first, second] = rows.split(/(?<=\n)/);
  await writeFile(directory.rejectedPart(one!.name), first!);
  await writeFile(directory.rejectedPart(others[0]!.name), second!);
  await writeFile(directory.rejected, 'of other records');
  await gatherRejected(directory, partitions, true);
  expect(await readFile(directory.rejected, 'utf8')).toBe(rows);
  await rm(directory.rejected);
  await expect(prepareJob(job, options)).rejects.toMatchObject({ code: 'rejected_gone' });
  expect(existsSync(directory.rejected)).toBe(false);
  await job.close();
});

it('only compares what is supplied again', async () => {
  const job = await openJob(join(await temporaryDirectory(), 'again.job'));
  const run = (records: readonly object[]) =>
    pipeline(
      fromIterable(records),
      buildRequests({ model: 'm', prompt: '{{text}}' }),
      countTokens({ model: 'gpt-4o' }),
      writeShards(job),
    );
  const records = [{ text: '1' }, { no: 'text' }, { text: '2' }];
  const plan = await run(records);
  expect(plan).toMatchObject({ requests: 2, rejected: 1, shards: 1 });
  const rows = await readFile(job.directory.rejected, 'utf8');
  expect(await run(records)).toEqual(plan);
  for (const others of [records.slice(0, 2), [...records, { text: '3' }], [...records, {}]]) {
    await expect(run(others)).rejects.toMatchObject({ code: 'source_changed' });
  }
  expect(await run(records)).toEqual(plan);
  expect(await readFile(job.directory.rejected, 'utf8')).toBe(rows);
  await job.close();
});
