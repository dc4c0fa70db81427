import type { DatabaseSync } from 'node:sqlite';
import { MillraceError } from '../../core/errors.ts';

/** Numbered from 1 and never changed once released: what is there is only added to. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE job (
    name TEXT PRIMARY KEY, uid TEXT NOT NULL, created_at INTEGER NOT NULL, spec TEXT NOT NULL,
    state TEXT NOT NULL, planned INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, rounds INTEGER NOT NULL,
    pause TEXT,
    version INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE partitions (
    name TEXT PRIMARY KEY, source INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER,
    first_ordinal INTEGER, records INTEGER, state TEXT NOT NULL, version INTEGER NOT NULL,
    progress TEXT NOT NULL
  ) STRICT;

  CREATE TABLE shards (
    name TEXT PRIMARY KEY, "partition" TEXT, requests INTEGER NOT NULL, bytes INTEGER NOT NULL,
    tokens INTEGER NOT NULL, sha256 TEXT NOT NULL, first_ordinal INTEGER NOT NULL,
    last_ordinal INTEGER NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,
    attempt INTEGER NOT NULL, target TEXT, file_id TEXT, batch_id TEXT, intent_at INTEGER,
    ready_at INTEGER NOT NULL, lonely_refusals INTEGER NOT NULL, note TEXT, ok INTEGER NOT NULL,
    failed INTEGER NOT NULL, leftover INTEGER NOT NULL, usage TEXT NOT NULL, joined_seq INTEGER,
    send_order INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX shards_by_state ON shards (state, send_order);
  CREATE UNIQUE INDEX shards_by_join ON shards (joined_seq) WHERE joined_seq IS NOT NULL;

  CREATE TABLE holds (
    shard TEXT NOT NULL, attempt INTEGER NOT NULL, target TEXT NOT NULL, tokens INTEGER NOT NULL,
    taken_at INTEGER NOT NULL, released_at INTEGER, file_id TEXT, file_gone_at INTEGER,
    PRIMARY KEY (shard, attempt)
  ) STRICT;
  CREATE INDEX holds_open ON holds (target) WHERE released_at IS NULL;

  CREATE TABLE batches (
    id TEXT PRIMARY KEY, target TEXT NOT NULL, shard TEXT NOT NULL, attempt INTEGER NOT NULL,
    bound INTEGER NOT NULL, status TEXT NOT NULL, output_file_id TEXT, error_file_id TEXT,
    total INTEGER, completed INTEGER, failed INTEGER, errors TEXT NOT NULL,
    created_at INTEGER NOT NULL, ended_at INTEGER, tokens INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX batches_bound ON batches (shard, attempt) WHERE bound = 1;

  CREATE TABLE targets (
    name TEXT PRIMARY KEY, resource TEXT NOT NULL, "limit" INTEGER, learned_limit INTEGER,
    retry_at INTEGER NOT NULL, drained TEXT, version INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
    run_at INTEGER NOT NULL, UNIQUE (kind, id)
  ) STRICT;
  CREATE INDEX tasks_due ON tasks (run_at);

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, type TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE targets ADD COLUMN stated_limit INTEGER;
  ALTER TABLE targets ADD COLUMN probed_limit INTEGER;
  ALTER TABLE targets ADD COLUMN others_tokens INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE targets ADD COLUMN others_files INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE targets ADD COLUMN max_files INTEGER NOT NULL DEFAULT 500;
  ALTER TABLE targets ADD COLUMN deployment TEXT;
  ALTER TABLE targets ADD COLUMN credential TEXT;
  ALTER TABLE targets ADD COLUMN failing_since INTEGER;
  ALTER TABLE targets ADD COLUMN rest_until INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job ADD COLUMN sample TEXT;
  `,
];

/** The version that this release writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the database to SCHEMA_VERSION; refuses one that a newer release wrote. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = schemaVersion(database);
  if (version > SCHEMA_VERSION) throw newer(path, version);
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(sql);
      database.exec(`PRAGMA user_version = ${index + 1}`);
      database.exec('COMMIT');
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** For readers, which may not migrate: there must be a job, and not of a newer release. */
export function requireVersion(database: DatabaseSync, path: string): void {
  const version = schemaVersion(database);
  if (version > SCHEMA_VERSION) throw newer(path, version);
  if (version > 0) return;
  throw new MillraceError(
    'no_job',
    `${path} holds no job yet: whoever began to make it has ended, or is still at it; give the ` +
      'command that begins the job again',
  );
}

function schemaVersion(database: DatabaseSync): number {
  const row = database.prepare('PRAGMA user_version').get() as { user_version: number };
  return row.user_version;
}

function newer(path: string, version: number): MillraceError {
  return new MillraceError(
    'job_too_new',
    `${path} was written by a newer millrace (schema ${version}; this one knows ${SCHEMA_VERSION}): ` +
      'upgrade millrace to go on with this job',
  );
}
