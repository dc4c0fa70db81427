import type { ResultRow } from './result.ts';

/**
 * Where rows go. `write` is called row by row in the order asked for and resolves when the sink can
 * take more; `close` makes the output whole and visible; `abort` leaves nothing visible behind.
 * Exactly one of `close` and `abort` is called, once.
 */
export interface Sink {
  /** Takes one row; what it throws ends the writing, and `abort` follows. */
  write(row: ResultRow): void | Promise<void>;
  /** All rows were written. */
  close(): Promise<void>;
  /** The rows or the writing failed, or the signal was aborted. */
  abort(): Promise<void>;
}
