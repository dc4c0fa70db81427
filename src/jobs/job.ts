import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type Clock, type Random, systemClock } from '../core/clock.ts';
import { MillraceError } from '../core/errors.ts';
import type { JobRow, Store } from '../core/store.ts';
import { resolveLimits } from '../shards/limits.ts';
import { SqliteStore } from '../state/sqlite/store.ts';
import { removeTemporaries } from '../streams/atomic-file.ts';
import { makePrivateFile } from '../streams/files.ts';
import { jobRow } from './context.ts';
import { JobDirectory, jobNameOf } from './directory.ts';
import { JobLock } from './lock.ts';

/** How a job directory is opened. */
export interface OpenJobOptions {
  /** Stands before every custom_id. Default: the directory's name without `.job`. */
  name?: string;
  /** `open` refuses a directory without a job; `create` makes one. Default `create`. */
  mode?: 'create' | 'open';
  /** For tests: the time. */
  clock?: Clock;
  /** For tests: the jitter. */
  random?: Random;
}

/**
 * A job directory, held by this process. What it is and how far it has come lies in its store;
 * this object only gives access. Close it, or use `await using`.
 */
export class Job {
  readonly name: string;
  readonly uid: string;
  readonly directory: JobDirectory;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Preparations and submissions of this process that are under way. */
  readonly active = { preparing: 0, submitting: 0 };
  readonly #lock: JobLock;
  #listeners = new Set<() => void>();
  #closed: Promise<void> | null = null;

  constructor(
    row: JobRow,
    directory: JobDirectory,
    store: Store,
    lock: JobLock,
    world: { clock: Clock; random: Random },
  ) {
    this.name = row.name;
    this.uid = row.uid;
    this.directory = directory;
    this.store = store;
    this.clock = world.clock;
    this.random = world.random;
    this.#lock = lock;
  }

  /** Tells whoever waits that the job's state changed. */
  notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` after each change; gives the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives the job back. What still works on it ends with `job_closed`: await that first. */
  close(): Promise<void> {
    this.#closed ??= this.store.close().finally(() => this.#lock.release());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Opens the job in a directory, making it if there is none. Throws `job_locked` while another
 * process holds it, `no_job` when there is none and `mode` is `open`, `job_too_new` when a newer
 * release wrote it.
 */
export async function openJob(path: string, options: OpenJobOptions = {}): Promise<Job> {
  const directory = new JobDirectory(path);
  const name = jobNameOf(path, options.name);
  if (options.mode === 'open' && !existsSync(directory.database)) throw noJob(directory.path);
  await directory.make();
  directory.refuseLinks();
  const clock = options.clock ?? systemClock;
  for (const file of [directory.database, directory.lock]) makePrivateFile(file);
  const lock = JobLock.acquire(directory.lock, clock.now());
  try {
    const store = SqliteStore.open(directory.database);
    try {
      const row = await store.transaction(async (tx) => {
        const found = await tx.job();
        if (found !== undefined) return found;
        await tx.insertJob({
          name,
          uid: randomBytes(4).toString('hex'),
          createdAt: clock.now(),
          spec: { sources: [], request: null, limits: resolveLimits() },
          state: 'preparing',
          planned: false,
          cancelRequested: false,
          rounds: 0,
          sample: null,
          pause: null,
        });
        return jobRow(tx);
      });
      if (options.name !== undefined && row.name !== options.name) {
        throw new MillraceError(
          'spec_changed',
          `${directory.path} is the job "${row.name}", not "${options.name}": its ids begin with its name`,
        );
      }
      for (const dir of ['', 'shards', 'downloads', 'results']) {
        await removeTemporaries(`${directory.path}/${dir}`);
      }
      return new Job(row, directory, store, lock, { clock, random: options.random ?? Math.random });
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Reads a job's store without its lock, while another process may be at work on it. */
export async function withJobStore<R>(
  path: string,
  fn: (store: Store, directory: JobDirectory) => Promise<R>,
): Promise<R> {
  const directory = new JobDirectory(path);
  if (!existsSync(directory.database)) throw noJob(directory.path);
  directory.refuseLinks();
  const store = SqliteStore.openExisting(directory.database);
  try {
    return await fn(store, directory);
  } finally {
    await store.close();
  }
}

function noJob(path: string): MillraceError {
  return new MillraceError(
    'no_job',
    `${path} holds no job: name the directory that was given to --job, or start one with millrace run`,
  );
}
