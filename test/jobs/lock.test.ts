import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openJob } from '../../src/jobs/job.ts';
import { JobLock } from '../../src/jobs/lock.ts';
import { temporaryDirectory } from './helpers.ts';

const OPEN = `
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(process.argv[1], { timeout: 0 });`;
const TAKE = `${OPEN}
  try { database.exec('BEGIN EXCLUSIVE'); console.log('taken'); } catch (e) { console.log(e.message); }`;
const LOOK = `${OPEN}
  database.exec('BEGIN; SELECT 1 FROM sqlite_master');
  console.log('looking');
  setTimeout(() => database.close(), 20);`;

const node = (script: string, path: string) => ['--no-warnings', '-e', script, path];

/** What another process is told that wants the lock. */
const another = (path: string) =>
  execFileSync(process.execPath, node(TAKE, path), { encoding: 'utf8' }).trim();

it('keeps others out when the same process fails to open the job twice', async () => {
  const path = join(await temporaryDirectory(), 'twice.job');
  const job = await openJob(path);
  expect(another(job.directory.lock)).toBe('database is locked');
  await expect(openJob(path)).rejects.toThrow(/this process holds this job already/);
  expect(another(job.directory.lock)).toBe('database is locked');
  await job.close();
  expect(another(job.directory.lock)).toBe('taken');
});

it('tells whether the lock is held, and takes it from nobody', async () => {
  const path = join(await temporaryDirectory(), 'seen.job');
  expect(JobLock.isHeld(join(path, 'lock.db'))).toBe(false);
  const job = await openJob(path);
  const { lock } = job.directory;
  expect(JobLock.isHeld(lock)).toBe(true);
  expect(another(lock)).toBe('database is locked');
  await job.close();
  expect(JobLock.isHeld(lock)).toBe(false);
});

it('opens a job that somebody looks at', async () => {
  const path = join(await temporaryDirectory(), 'looked.job');
  await (await openJob(path)).close();
  const looker = spawn(process.execPath, node(LOOK, join(path, 'lock.db')));
  const ended = once(looker, 'close');
  await once(looker.stdout, 'data');
  await (await openJob(path)).close();
  await ended;
});
