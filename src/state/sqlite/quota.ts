import type { DatabaseSync } from 'node:sqlite';
import { TERMINAL_STATUSES } from '../../core/batch.ts';
import type { BatchRow, Hold, TargetRow } from '../../core/job.ts';
import { type Columns, scalar, Table } from './table.ts';

const HOLD: Columns<Hold> = {
  shard: 'text',
  attempt: 'integer',
  target: 'text',
  tokens: 'integer',
  takenAt: 'integer',
  releasedAt: 'integer',
  fileId: 'text',
  fileGoneAt: 'integer',
};

const BATCH: Columns<BatchRow> = {
  id: 'text',
  target: 'text',
  shard: 'text',
  attempt: 'integer',
  bound: 'boolean',
  status: 'text',
  outputFileId: 'text',
  errorFileId: 'text',
  total: 'integer',
  completed: 'integer',
  failed: 'integer',
  errors: 'json',
  createdAt: 'integer',
  endedAt: 'integer',
  tokens: 'integer',
};

const TARGET: Columns<TargetRow> = {
  name: 'text',
  resource: 'text',
  limit: 'integer',
  statedLimit: 'integer',
  learnedLimit: 'integer',
  probedLimit: 'integer',
  othersTokens: 'integer',
  othersFiles: 'integer',
  maxFiles: 'integer',
  deployment: 'text',
  credential: 'text',
  retryAt: 'integer',
  failingSince: 'integer',
  restUntil: 'integer',
  drained: 'text',
  version: 'integer',
};

const LIVE = `status NOT IN (${[...TERMINAL_STATUSES].map((status) => `'${status}'`).join(', ')})`;

/** What is held, by which batch, against which target. */
export class QuotaTables {
  readonly #holds: Table<Hold>;
  readonly #batches: Table<BatchRow>;
  readonly #targets: Table<TargetRow>;

  constructor(database: DatabaseSync) {
    this.#holds = new Table(database, 'holds', HOLD);
    this.#batches = new Table(database, 'batches', BATCH);
    this.#targets = new Table(database, 'targets', TARGET);
  }

  insertHold(hold: Hold): void {
    this.#holds.insert(hold);
  }

  updateHold(shard: string, attempt: number, patch: Partial<Hold>): void {
    const hold = this.hold(shard, attempt);
    if (hold === undefined) return;
    const fresh = Object.entries(patch).filter(([field]) => hold[field as keyof Hold] === null);
    this.#holds.update(Object.fromEntries(fresh), 'shard = ? AND attempt = ?', shard, attempt);
  }

  hold(shard: string, attempt: number): Hold | undefined {
    return this.#holds.first('WHERE shard = ? AND attempt = ?', shard, attempt);
  }

  openHolds(): Hold[] {
    return this.#holds.select(
      `WHERE released_at IS NULL OR (file_id IS NOT NULL AND file_gone_at IS NULL)
       ORDER BY taken_at, shard`,
    );
  }

  holds(): Hold[] {
    return this.#holds.select('ORDER BY taken_at, shard');
  }

  heldTokens(target: string): number {
    const holds = this.#holds.statement(
      'SELECT sum(tokens) FROM holds WHERE target = ? AND released_at IS NULL',
    );
    const strays = this.#batches.statement(
      `SELECT sum(tokens) FROM batches WHERE target = ? AND bound = 0 AND ${LIVE}`,
    );
    return scalar(holds, target) + scalar(strays, target);
  }

  countHolds(): number {
    return scalar(this.#holds.statement('SELECT count(*) FROM holds'));
  }

  putBatch(batch: BatchRow): void {
    this.#batches.upsert(batch, 'id');
  }

  batch(id: string): BatchRow | undefined {
    return this.#batches.first('WHERE id = ?', id);
  }

  batches(filter: { shard?: string; live?: boolean } = {}): BatchRow[] {
    const conditions = ['1'];
    const values: string[] = [];
    if (filter.shard !== undefined) {
      conditions.push('shard = ?');
      values.push(filter.shard);
    }
    if (filter.live === true) conditions.push(LIVE);
    return this.#batches.select(
      `WHERE ${conditions.join(' AND ')} ORDER BY created_at, id`,
      ...values,
    );
  }

  countBatches(bound: boolean): number {
    return scalar(
      this.#batches.statement('SELECT count(*) FROM batches WHERE bound = ?'),
      bound ? 1 : 0,
    );
  }

  putTarget(target: Omit<TargetRow, 'version'>): void {
    const version = (this.target(target.name)?.version ?? 0) + 1;
    this.#targets.upsert({ ...target, version }, 'name');
  }

  target(name: string): TargetRow | undefined {
    return this.#targets.first('WHERE name = ?', name);
  }

  targets(): TargetRow[] {
    return this.#targets.select('ORDER BY name');
  }

  updateTarget(name: string, version: number, patch: Partial<TargetRow>): TargetRow {
    return this.#targets.advance(patch, version, 'name = ?', name, `target ${name}`);
  }
}
