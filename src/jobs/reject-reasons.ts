import type { Position, RowError } from '../core/record.ts';
import { describePosition } from '../requests/position.ts';

/** Why records were rejected: one code, how often, and where it was met first. */
export interface RejectReason {
  readonly code: string;
  readonly records: number;
  readonly first: Position;
  /** Of the first one; names its place and what to do. */
  readonly message: string;
}

/** Counts rejected records by their code; there are few codes, however many records. */
export class RejectReasons {
  readonly #byCode = new Map<string, RejectReason>();

  add({ code, message }: RowError, first: Position): void {
    const known = this.#byCode.get(code);
    if (known !== undefined) {
      this.#byCode.set(code, { ...known, records: known.records + 1 });
      return;
    }
    const where = describePosition(first);
    const named = message.includes(where) ? message : `${where}: ${message}`;
    this.#byCode.set(code, { code, records: 1, first, message: named });
  }

  /** The most frequent first. */
  list(): RejectReason[] {
    return [...this.#byCode.values()].sort((a, b) => b.records - a.records);
  }
}
