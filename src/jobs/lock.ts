import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { errorMessage, MillraceError } from '../core/errors.ts';
import { storeError } from '../state/sqlite/errors.ts';

/**
 * One process at a time holds a job. The lock is SQLite's exclusive lock on a small file of its own:
 * the operating system gives it back when the process ends, however it ends, so that no stale lock
 * is ever left. Who holds it, and since when, is written beside it for the message only.
 */
export class JobLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws `job_locked` while another process, or another Job of this one, holds it. */
  static acquire(path: string, now: number): JobLock {
    const database = open(path, { timeout: LOOKS_END_MS });
    try {
      database.exec('BEGIN EXCLUSIVE');
      writeFileSync(
        holderPath(path),
        `process ${process.pid}, since ${new Date(now).toISOString()}\n`,
        {
          mode: 0o600,
        },
      );
      return new JobLock(database);
    } catch (error) {
      database.close();
      if (errorMessage(error).includes('locked')) throw held(path);
      throw storeError(error, path);
    }
  }

  /**
   * Whether anybody holds the lock now. It is only read, which takes it from nobody: `acquire` waits
   * for whoever looks. Without a file nobody does.
   */
  static isHeld(path: string): boolean {
    if (!existsSync(path)) return false;
    const database = open(path, { timeout: 0, readOnly: true });
    try {
      database.exec('SELECT 1 FROM sqlite_master');
      return false;
    } catch (error) {
      if (errorMessage(error).includes('locked')) return true;
      throw storeError(error, path);
    } finally {
      database.close();
    }
  }

  release(): void {
    this.#database.close();
  }
}

/** A look at the lock is over in less; only holding it lasts longer. */
const LOOKS_END_MS = 100;

function open(path: string, options: { timeout: number; readOnly?: boolean }): DatabaseSync {
  try {
    return new DatabaseSync(path, options);
  } catch (error) {
    throw storeError(error, path);
  }
}

function holderPath(lock: string): string {
  return `${lock}.holder`;
}

function held(path: string): MillraceError {
  const holder = existsSync(holderPath(path)) ? readFileSync(holderPath(path), 'utf8').trim() : '';
  if (holder.startsWith(`process ${process.pid},`)) {
    return new MillraceError(
      'job_locked',
      `this process holds this job already (${path}): use the Job that it has, or close that first`,
      { retryable: true },
    );
  }
  return new MillraceError(
    'job_locked',
    `another process holds this job (${holder || path}): wait for it, or stop it; ` +
      '`millrace status` and `millrace cancel` work while it runs',
    { retryable: true },
  );
}
