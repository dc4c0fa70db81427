import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { storeError } from '../../src/state/sqlite/errors.ts';
import { SCHEMA_VERSION } from '../../src/state/sqlite/migrations.ts';
import { SqliteStore } from '../../src/state/sqlite/store.ts';
import { storeConformance } from './conformance.ts';

async function databasePath(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-store-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'job.db');
}

storeConformance('sqlite', async () => {
  const path = await databasePath();
  return { store: SqliteStore.open(path), reopen: async () => SqliteStore.open(path) };
});

it('refuses the database of a newer release, with words, and leaves it as it is', async () => {
  const path = await databasePath();
  const database = new DatabaseSync(path);
  database.exec(`CREATE TABLE later (x); PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  database.close();
  for (const open of [SqliteStore.open, SqliteStore.openExisting]) {
    expect(() => open(path)).toThrow(/written by a newer millrace.*upgrade millrace/);
  }
});

it('tells a disk without room for a file from a directory that is not there', async () => {
  const missing = join(await databasePath(), 'nowhere', 'job.db');
  expect(() => SqliteStore.openExisting(missing)).toThrow(/is the job directory there/);
  const cannotOpen = Object.assign(new Error('unable to open database file'), { errcode: 14 });
  expect(storeError(cannotOpen, missing, () => true)).toMatchObject({
    code: 'disk_full',
    retryable: true,
    message: expect.stringMatching(/job\.db has no space left on its disk/),
  });
});
