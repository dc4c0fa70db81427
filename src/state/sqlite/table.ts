import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { FenceError } from '../../core/errors.ts';

/** How a field lies in its column. */
export type ColumnKind = 'text' | 'integer' | 'boolean' | 'json';

/** The columns of a row type, in the order of the table. */
export type Columns<Row> = { readonly [Field in keyof Row]-?: ColumnKind };

type SqlRow = Record<string, SQLOutputValue>;

/**
 * One table and the rows of one type in it. Columns are the fields' names in snake_case. Prepared
 * statements are kept, so that each distinct text is compiled once.
 */
export class Table<Row extends object> {
  readonly name: string;
  readonly #database: DatabaseSync;
  readonly #fields: readonly [keyof Row & string, string, ColumnKind][];
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, name: string, columns: Columns<Row>) {
    this.#database = database;
    this.name = name;
    this.#fields = (Object.entries(columns) as [keyof Row & string, ColumnKind][]).map(
      ([field, kind]) => [field, columnName(field), kind],
    );
  }

  insert(row: Row): void {
    this.#write(row, '');
  }

  /** Inserts, or updates the row of the same key; any other conflict is an error. */
  upsert(row: Row, key: keyof Row & string): void {
    const set = this.#fields.map(([, column]) => `"${column}" = excluded."${column}"`).join(', ');
    this.#write(row, `ON CONFLICT (${columnName(key)}) DO UPDATE SET ${set}`);
  }

  select(rest = '', ...values: SQLInputValue[]): Row[] {
    const rows = this.statement(`SELECT * FROM ${this.name} ${rest}`).all(...values) as SqlRow[];
    return rows.map((row) => this.#decode(row));
  }

  first(rest: string, ...values: SQLInputValue[]): Row | undefined {
    return this.select(`${rest} LIMIT 1`, ...values)[0];
  }

  /** Sets the fields of `patch` on the rows that `where` names; gives how many there were. */
  update(patch: Partial<Row>, where: string, ...values: SQLInputValue[]): number {
    const fields = this.#fields.filter(([field]) => patch[field] !== undefined);
    if (fields.length === 0) return 0;
    const set = fields.map(([, column]) => `"${column}" = ?`).join(', ');
    const encoded = fields.map(([field, , kind]) => encode(patch[field], kind));
    const result = this.statement(`UPDATE ${this.name} SET ${set} WHERE ${where}`).run(
      ...encoded,
      ...values,
    );
    return Number(result.changes);
  }

  /** Compare-and-set on `version`: the row moves to the next version or a FenceError is thrown. */
  advance(
    patch: Partial<Row>,
    version: number,
    where: string,
    key: SQLInputValue,
    what: string,
  ): Row {
    const next = { ...patch, version: version + 1 } as Partial<Row>;
    if (this.update(next, `${where} AND version = ?`, key, version) !== 1)
      throw new FenceError(what);
    const row = this.first(`WHERE ${where}`, key);
    if (row === undefined) throw new FenceError(what);
    return row;
  }

  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #write(row: Row, onConflict: string): void {
    const columns = this.#fields.map(([, column]) => `"${column}"`).join(', ');
    const places = this.#fields.map(() => '?').join(', ');
    this.statement(`INSERT INTO ${this.name} (${columns}) VALUES (${places}) ${onConflict}`).run(
      ...this.#fields.map(([field, , kind]) => encode(row[field], kind)),
    );
  }

  #decode(row: SqlRow): Row {
    const decoded: Record<string, unknown> = {};
    for (const [field, column, kind] of this.#fields) decoded[field] = decode(row[column], kind);
    return decoded as Row;
  }
}

/** The number in the first column of the first row, 0 when it is null. */
export function scalar(statement: StatementSync, ...values: SQLInputValue[]): number {
  const row = statement.get(...values) as SqlRow | undefined;
  return row === undefined ? 0 : Number(Object.values(row)[0] ?? 0);
}

function columnName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function encode(value: unknown, kind: ColumnKind): SQLInputValue {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.stringify(value);
  if (kind === 'boolean') return value === true ? 1 : 0;
  // Times come out of arithmetic with fractions of a millisecond, which a column does not take.
  if (kind === 'integer') return Math.round(Number(value));
  return String(value);
}

function decode(value: SQLOutputValue | undefined, kind: ColumnKind): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.parse(String(value));
  if (kind === 'boolean') return value === 1;
  return value;
}
