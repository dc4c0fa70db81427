import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
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
