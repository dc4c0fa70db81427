import { DatabaseSync } from 'node:sqlite';
import { MillraceError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type {
  BatchRow,
  EventRow,
  Hold,
  Partition,
  SealedShard,
  Shard,
  ShardState,
  TargetRow,
  Task,
  TaskKind,
} from '../../core/job.ts';
import type { JobRow, Reader, ShardFilter, Store, Totals, Transaction } from '../../core/store.ts';
import { storeError } from './errors.ts';
import { JobTables, TaskTables } from './jobs.ts';
import { migrate, requireVersion } from './migrations.ts';
import { QuotaTables } from './quota.ts';
import { ShardTable } from './shards.ts';

const BUSY_TIMEOUT_MS = 10 * 1000; // another process writes at most one small row: a cancel request

const WRITE = 'BEGIN IMMEDIATE';

/**
 * The store of a job that one process works on: SQLite, in the job directory. Transactions are
 * serialised by a queue in this process and by SQLite's write lock against others.
 */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #rows: Rows;
  #tail: Promise<unknown> = Promise.resolve();

  readonly #path: string;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#rows = new Rows(database);
  }

  /** Opens or creates the file and brings it to this release's schema. */
  static open(path: string): SqliteStore {
    const database = openDatabase(path);
    try {
      // FULL: a transaction that resolved survives a power cut, not only a crash of the process.
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      migrate(database, path);
      return new SqliteStore(database, path);
    } catch (error) {
      database.close();
      throw storeError(error, path);
    }
  }

  /** Opens an existing file without changing its schema: for `status`, `report`, and `cancel`. */
  static openExisting(path: string): SqliteStore {
    const database = openDatabase(path);
    try {
      requireVersion(database, path);
      return new SqliteStore(database, path);
    } catch (error) {
      database.close();
      throw storeError(error, path);
    }
  }

  transaction<R>(fn: (tx: Transaction) => R | Promise<R>): Promise<R> {
    return this.#serially(WRITE, fn);
  }

  read<R>(fn: (tx: Reader) => R | Promise<R>): Promise<R> {
    return this.#serially('BEGIN', fn);
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#database.close();
  }

  #serially<R>(begin: string, fn: (tx: Transaction) => R | Promise<R>): Promise<R> {
    const run = async () => {
      if (!this.#database.isOpen) {
        throw new MillraceError('job_closed', `${this.#path} was closed: open the job again first`);
      }
      try {
        this.#database.exec(begin);
        const result = await fn(this.#rows);
        if (begin === WRITE) failpoint('commit.before');
        this.#database.exec('COMMIT');
        if (begin === WRITE) failpoint('commit.after');
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw storeError(error, this.#path);
      }
    };
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw storeError(error, path);
  }
}

/** The tables as one transaction sees them. */
class Rows implements Transaction {
  readonly #jobs: JobTables;
  readonly #shards: ShardTable;
  readonly #quota: QuotaTables;
  readonly #tasks: TaskTables;

  constructor(database: DatabaseSync) {
    this.#jobs = new JobTables(database);
    this.#shards = new ShardTable(database);
    this.#quota = new QuotaTables(database);
    this.#tasks = new TaskTables(database);
  }

  job(): JobRow | undefined {
    return this.#jobs.get();
  }
  insertJob(job: Omit<JobRow, 'version'>): void {
    this.#jobs.insert(job);
  }
  updateJob(version: number, patch: Partial<JobRow>): JobRow {
    return this.#jobs.update(version, patch);
  }

  partitions(): Partition[] {
    return this.#jobs.partitions();
  }
  insertPartition(partition: Omit<Partition, 'version'>): void {
    this.#jobs.insertPartition(partition);
  }
  updatePartition(name: string, version: number, patch: Partial<Partition>): Partition {
    return this.#jobs.updatePartition(name, version, patch);
  }
  dropPartitions(): void {
    this.#jobs.dropPartitions();
  }

  shard(name: string): Shard | undefined {
    return this.#shards.get(name);
  }
  shards(filter?: ShardFilter): Shard[] {
    return this.#shards.list(filter);
  }
  countShards(): Partial<Record<ShardState, number>> {
    return this.#shards.countByState();
  }
  lastJoinedSeq(): number {
    return this.#shards.lastJoinedSeq();
  }
  insertShard(shard: SealedShard, order: number): void {
    this.#shards.insert(shard, order);
  }
  moveShard(name: string, version: number, patch: Partial<Shard>): Shard {
    return this.#shards.move(name, version, patch);
  }

  totals(): Totals {
    const rejected = this.partitions().reduce((sum, { progress }) => sum + progress.rejected, 0);
    return {
      ...this.#shards.sums(),
      rejected,
      attempts: this.#quota.countHolds(),
      batches: this.#quota.countBatches(true),
      duplicateSubmissions: this.#quota.countBatches(false),
    };
  }

  targets(): TargetRow[] {
    return this.#quota.targets();
  }
  putTarget(target: Omit<TargetRow, 'version'>): void {
    this.#quota.putTarget(target);
  }
  updateTarget(name: string, version: number, patch: Partial<TargetRow>): TargetRow {
    return this.#quota.updateTarget(name, version, patch);
  }

  hold(shard: string, attempt: number): Hold | undefined {
    return this.#quota.hold(shard, attempt);
  }
  openHolds(): Hold[] {
    return this.#quota.openHolds();
  }
  holds(): Hold[] {
    return this.#quota.holds();
  }
  heldTokens(target: string): number {
    return this.#quota.heldTokens(target);
  }
  insertHold(hold: Hold): void {
    this.#quota.insertHold(hold);
  }
  updateHold(shard: string, attempt: number, patch: Partial<Hold>): void {
    this.#quota.updateHold(shard, attempt, patch);
  }

  batch(id: string): BatchRow | undefined {
    return this.#quota.batch(id);
  }
  batches(filter?: { shard?: string; live?: boolean }): BatchRow[] {
    return this.#quota.batches(filter);
  }
  putBatch(batch: BatchRow): void {
    this.#quota.putBatch(batch);
  }

  tasks(): Task[] {
    return this.#tasks.list();
  }
  putTask(kind: TaskKind, id: string, runAt: number): void {
    this.#tasks.put(kind, id, runAt);
  }
  doneTask(task: Task): void {
    this.#tasks.done(task);
  }
  appendEvent(event: Omit<EventRow, 'seq'>): void {
    this.#tasks.append(event);
  }
  events(afterSeq: number, limit: number): EventRow[] {
    return this.#tasks.events(afterSeq, limit);
  }
}
