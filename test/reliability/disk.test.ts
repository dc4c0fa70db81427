import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openJob, withJobStore } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { resumeBatchJob, runBatchJob } from '../../src/jobs/run.ts';
import { readStatus } from '../../src/jobs/status.ts';
import { SqliteStore } from '../../src/state/sqlite/store.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';

const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;
const options = { ...FAST, request, baseModel: 'gpt-4o', limits: { maxRequests: 10 } };
const RECORDS = 30;
const MB = 1_000_000;

/** A file system of its own, or null where this user may not mount one. */
async function smallDisk(bytes: number): Promise<string | null> {
  const path = await temporaryDirectory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], {
      stdio: 'ignore',
    });
  } catch {
    return null; // Not root, or no mount in this container: the other tests have to do.
  }
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}

function grow(path: string, bytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${bytes}`, path]);
}

it('says that the disk is full before it is, and goes on when there is room', async (test) => {
  const disk = await smallDisk(20 * MB);
  if (disk === null) return test.skip();
  const job = await openJob(join(disk, 'full.job'));
  const wanted = { ...options, source: reviews(RECORDS) };
  await expect(prepareJob(job, wanted)).rejects.toMatchObject({ code: 'disk_full' });
  grow(disk, 300 * MB);
  expect(await prepareJob(job, wanted)).toMatchObject({ records: RECORDS, requests: RECORDS });
  await job.close();
});

it('says that the disk is full, also beside a submitter that has nothing to free', async (test) => {
  const disk = await smallDisk(20 * MB);
  if (disk === null) return test.skip();
  const target = targetAt(await service());
  const run = { ...options, job: join(disk, 'whole.job'), source: reviews(RECORDS) };
  await expect(runBatchJob({ ...run, service: target })).rejects.toMatchObject({
    code: 'disk_full',
  });
});

it('says that a job cannot be made on a file system that is read-only', async (test) => {
  const disk = await smallDisk(20 * MB);
  if (disk === null) return test.skip();
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  await expect(openJob(join(disk, 'read.job'))).rejects.toThrow(/its file system is read-only/);
});

it('pauses when answers find no room, and loses nothing', async (test) => {
  const disk = await smallDisk(120 * MB);
  if (disk === null) return test.skip();
  const emulator = await service({ speed: 500 });
  const job = await openJob(join(disk, 'answers.job'));
  await prepareJob(job, { ...options, source: reviews(RECORDS) });
  const filler = join(disk, 'filler');
  const fill = () => {
    try {
      writeFileSync(filler, Buffer.alloc(120 * MB));
    } catch {
      // That is the point: there is no room left now.
    }
  };
  const target = targetAt(emulator);
  const failed = resumeBatchJob(job, {
    ...FAST,
    service: target,
    onProgress: ({ shards }) => {
      if (!existsSync(filler) && (shards.submitted ?? 0) + (shards.running ?? 0) > 0) fill();
    },
  });
  await expect(failed).rejects.toMatchObject({ code: 'disk_full' });
  rmSync(filler);
  const status = await resumeBatchJob(job, { ...FAST, service: target });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, failed: 0 });
  expect(status.duplicate_submissions).toBe(0);
  await job.close();
});

it('says which store cannot be read, written or understood', async () => {
  const dir = await temporaryDirectory();
  const path = join(dir, 'job.db');
  writeFileSync(path, 'this is no database, however long it goes on '.repeat(50));
  expect(() => SqliteStore.open(path)).toThrow(
    expect.objectContaining({ code: 'store_damaged' }) as Error,
  );
  expect(() => SqliteStore.open(join(dir, 'nowhere', 'job.db'))).toThrow(
    expect.objectContaining({ code: 'store_failed' }) as Error,
  );
});

it('refuses a shard that a hand has changed, and goes on when it is put back', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'hand.job'));
  await prepareJob(job, { ...options, source: reviews(RECORDS) });
  const path = job.directory.requests('p0000-0001');
  const before = readFileSync(path);
  writeFileSync(path, before.toString('utf8').replace('Label', 'Lable'));
  const target = targetAt(emulator);
  const refused = resumeBatchJob(job, { ...FAST, service: target });
  await expect(refused).rejects.toMatchObject({ code: 'shard_changed' });
  for (const other of [before.subarray(0, -1), Buffer.concat([before, before])]) {
    writeFileSync(path, other);
    await expect(resumeBatchJob(job, { ...FAST, service: target })).rejects.toMatchObject({
      code: 'shard_changed',
    });
  }
  rmSync(path);
  await expect(resumeBatchJob(job, { ...FAST, service: target })).rejects.toThrow(/is gone/);
  writeFileSync(path, before);
  const status = await resumeBatchJob(job, { ...FAST, service: target });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS });
  await job.close();
});

it('goes on in a directory that was moved', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const job = await openJob(join(dir, 'here.job'));
  await prepareJob(job, { ...options, source: reviews(RECORDS) });
  await job.close();
  execFileSync('mv', [join(dir, 'here.job'), join(dir, 'there.job')]);
  const moved = await openJob(join(dir, 'there.job'), { mode: 'open' });
  const status = await resumeBatchJob(moved, { ...FAST, service: targetAt(emulator) });
  expect(status).toMatchObject({ state: 'finished', ok: RECORDS, job: 'here' });
  await moved.close();
});

it('follows no link in place of its own files', async () => {
  const dir = await temporaryDirectory();
  const path = join(dir, 'link.job');
  await (await openJob(path)).close();
  for (const name of ['job.db', 'lock.db', 'rejected.ndjson', 'lock.db.holder']) {
    const victim = join(dir, `victim-${name}`);
    writeFileSync(victim, 'precious');
    const place = join(path, name);
    const aside = existsSync(place) ? readFileSync(place) : null;
    rmSync(place, { force: true });
    symlinkSync(victim, place);
    await expect(openJob(path)).rejects.toMatchObject({ code: 'symbolic_link' });
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    rmSync(place);
    if (aside !== null) writeFileSync(place, aside);
  }
  await (await openJob(path)).close();
});

it('keeps what it writes to its user', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service();
  const path = join(dir, 'private.job');
  const sink = join(dir, 'out.ndjson');
  const mask = process.umask(0o077);
  try {
    const target = targetAt(emulator);
    await runBatchJob({
      ...options,
      job: path,
      source: reviews(5),
      service: target,
      sink,
      keep: true,
    });
  } finally {
    process.umask(mask);
  }
  const modes = execFileSync('find', [path, sink, '-printf', '%m %y\\n'], { encoding: 'utf8' });
  expect([...new Set(modes.trim().split('\n'))].sort()).toEqual(['600 f', '700 d']);
});

it('is read by status while it is read-only', async () => {
  const dir = await temporaryDirectory();
  const path = join(dir, 'read.job');
  const job = await openJob(path);
  await prepareJob(job, { ...options, source: reviews(5) });
  await job.close();
  for (const name of readdirSync(path)) {
    if (name.startsWith('job.db')) chmodSync(join(path, name), 0o400);
  }
  expect(await withJobStore(path, (store) => store.read(readStatus))).toMatchObject({ records: 5 });
});
