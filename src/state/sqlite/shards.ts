import type { DatabaseSync } from 'node:sqlite';
import type { SealedShard, Shard, ShardState, Usage } from '../../core/job.ts';
import type { ShardFilter } from '../../core/store.ts';
import { type Columns, scalar, Table } from './table.ts';

type ShardRecord = Shard & { readonly sendOrder: number };

const COLUMNS: Columns<ShardRecord> = {
  name: 'text',
  partition: 'text',
  requests: 'integer',
  bytes: 'integer',
  tokens: 'integer',
  sha256: 'text',
  firstOrdinal: 'integer',
  lastOrdinal: 'integer',
  state: 'text',
  version: 'integer',
  attempt: 'integer',
  target: 'text',
  fileId: 'text',
  batchId: 'text',
  intentAt: 'integer',
  readyAt: 'integer',
  lonelyRefusals: 'integer',
  note: 'text',
  ok: 'integer',
  failed: 'integer',
  leftover: 'integer',
  usage: 'json',
  joinedSeq: 'integer',
  sendOrder: 'integer',
};

const NO_USAGE: Usage = { input: 0, cachedInput: 0, output: 0, reasoning: 0 };

export interface ShardSums {
  readonly shards: number;
  readonly requests: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly ok: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly measuredEstimate: number;
  readonly measuredTokens: number;
}

/** The shards and their states. */
export class ShardTable {
  readonly #table: Table<ShardRecord>;

  constructor(database: DatabaseSync) {
    this.#table = new Table(database, 'shards', COLUMNS);
  }

  insert(shard: SealedShard, sendOrder: number): void {
    this.#table.insert({
      ...shard,
      state: 'sealed',
      version: 1,
      attempt: 0,
      target: null,
      fileId: null,
      batchId: null,
      intentAt: null,
      readyAt: 0,
      lonelyRefusals: 0,
      note: null,
      ok: 0,
      failed: 0,
      leftover: 0,
      usage: NO_USAGE,
      joinedSeq: null,
      sendOrder,
    });
  }

  get(name: string): Shard | undefined {
    return this.#table.first('WHERE name = ?', name);
  }

  list(filter: ShardFilter = {}): Shard[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    if (filter.states !== undefined) {
      conditions.push(`state IN (${filter.states.map(() => '?').join(', ')})`);
      values.push(...filter.states);
    }
    if (filter.target !== undefined) {
      conditions.push('target = ?');
      values.push(filter.target);
    }
    if (filter.leftover === true) conditions.push('leftover > 0');
    if (filter.joinedAfter !== undefined) {
      conditions.push('joined_seq > ?');
      values.push(filter.joinedAfter);
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = filter.joinedAfter === undefined ? 'send_order' : 'joined_seq';
    const limit = filter.limit === undefined ? '' : ` LIMIT ${Math.trunc(filter.limit)}`;
    return this.#table.select(`${where} ORDER BY ${order}${limit}`, ...values);
  }

  move(name: string, version: number, patch: Partial<Shard>): Shard {
    return this.#table.advance(patch, version, 'name = ?', name, `shard ${name}`);
  }

  countByState(): Partial<Record<ShardState, number>> {
    const rows = this.#table
      .statement('SELECT state, count(*) AS n FROM shards GROUP BY state')
      .all();
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  lastJoinedSeq(): number {
    return scalar(this.#table.statement('SELECT max(joined_seq) FROM shards'));
  }

  sums(): ShardSums {
    const row = this.#table
      .statement(
        `SELECT count(*) AS shards,
           sum(requests) FILTER (WHERE "partition" IS NOT NULL) AS requests,
           sum(bytes) FILTER (WHERE "partition" IS NOT NULL) AS bytes,
           sum(tokens) FILTER (WHERE "partition" IS NOT NULL) AS tokens,
           sum(ok) AS ok, sum(failed) AS failed,
           sum(usage ->> 'input') AS inputTokens, sum(usage ->> 'cachedInput') AS cachedInputTokens,
           sum(usage ->> 'output') AS outputTokens, sum(usage ->> 'reasoning') AS reasoningTokens,
           sum(tokens) FILTER (WHERE ok = requests) AS measuredEstimate,
           sum(usage ->> 'input') FILTER (WHERE ok = requests) AS measuredTokens
         FROM shards`,
      )
      .get() as Record<keyof ShardSums, number | null>;
    return Object.fromEntries(
      Object.entries(row).map(([field, sum]) => [field, sum ?? 0]),
    ) as Record<keyof ShardSums, number>;
  }
}
