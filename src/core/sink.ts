import type { ResultRow } from './result.ts';

/**
 * Where rows go. `write` is called row by row in the order asked for and resolves when the sink can
 * take more; `close` makes the output whole and visible; `abort` leaves nothing visible behind.
 * Exactly one of `close` and `abort` is called, once.
 */
export interface Sink {
  write(row: ResultRow): void | Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}
