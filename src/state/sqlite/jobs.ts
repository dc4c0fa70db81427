import type { DatabaseSync } from 'node:sqlite';
import type { EventRow, Partition, Task, TaskKind } from '../../core/job.ts';
import type { JobRow } from '../../core/store.ts';
import { type Columns, Table } from './table.ts';

const JOB: Columns<JobRow> = {
  name: 'text',
  uid: 'text',
  createdAt: 'integer',
  spec: 'json',
  state: 'text',
  planned: 'boolean',
  cancelRequested: 'boolean',
  rounds: 'integer',
  sample: 'json',
  pause: 'text',
  version: 'integer',
};

const PARTITION: Columns<Partition> = {
  name: 'text',
  source: 'integer',
  start: 'integer',
  end: 'integer',
  firstOrdinal: 'integer',
  records: 'integer',
  state: 'text',
  version: 'integer',
  progress: 'json',
};

const TASK: Columns<Task> = { kind: 'text', id: 'text', runAt: 'integer', seq: 'integer' };

const EVENT: Columns<EventRow> = {
  seq: 'integer',
  at: 'integer',
  type: 'text',
  subject: 'text',
  detail: 'json',
};

const MOST_TASKS = 1000;

/** The job's own row and its partitions. */
export class JobTables {
  readonly #job: Table<JobRow>;
  readonly #partitions: Table<Partition>;

  constructor(database: DatabaseSync) {
    this.#job = new Table(database, 'job', JOB);
    this.#partitions = new Table(database, 'partitions', PARTITION);
  }

  get(): JobRow | undefined {
    return this.#job.first('');
  }

  insert(job: Omit<JobRow, 'version'>): void {
    this.#job.insert({ ...job, version: 1 });
  }

  update(version: number, patch: Partial<JobRow>): JobRow {
    return this.#job.advance(patch, version, '1 = ?', 1, 'the job');
  }

  partitions(): Partition[] {
    return this.#partitions.select('ORDER BY name');
  }

  insertPartition(partition: Omit<Partition, 'version'>): void {
    this.#partitions.insert({ ...partition, version: 1 });
  }

  updatePartition(name: string, version: number, patch: Partial<Partition>): Partition {
    return this.#partitions.advance(patch, version, 'name = ?', name, `partition ${name}`);
  }

  dropPartitions(): void {
    this.#partitions.statement('DELETE FROM partitions').run();
  }
}

/** What is to be done, and what was. */
export class TaskTables {
  readonly #tasks: Table<Task>;
  readonly #events: Table<EventRow>;

  constructor(database: DatabaseSync) {
    this.#tasks = new Table(database, 'tasks', TASK);
    this.#events = new Table(database, 'events', EVENT);
  }

  list(): Task[] {
    return this.#tasks.select(`ORDER BY run_at, kind, id LIMIT ${MOST_TASKS}`);
  }

  put(kind: TaskKind, id: string, runAt: number): void {
    const at = Math.trunc(runAt);
    this.#tasks
      .statement(
        // A replaced row gets a new seq, larger than any before it. Node 22 takes numbered
        // parameters for named ones.
        `INSERT OR REPLACE INTO tasks (kind, id, run_at)
         SELECT ?, ?, min(?, coalesce((SELECT run_at FROM tasks WHERE kind = ? AND id = ?), ?))`,
      )
      .run(kind, id, at, kind, id, at);
  }

  done(task: Task): void {
    this.#tasks
      .statement('DELETE FROM tasks WHERE kind = ? AND id = ? AND seq = ?')
      .run(task.kind, task.id, task.seq);
  }

  append(event: Omit<EventRow, 'seq'>): void {
    this.#events
      .statement('INSERT INTO events (at, type, subject, detail) VALUES (?, ?, ?, ?)')
      .run(Math.trunc(event.at), event.type, event.subject, JSON.stringify(event.detail));
  }

  events(afterSeq: number, limit: number): EventRow[] {
    return this.#events.select('WHERE seq > ? ORDER BY seq LIMIT ?', afterSeq, limit);
  }
}
