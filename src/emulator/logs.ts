import { closeSync, openSync, writeSync } from 'node:fs';

/** One call that the service answered, or cut. */
export interface AccessEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly method: string;
  /** Path and query as asked, the query's values included. */
  readonly path: string;
  /** The operation, such as `batches.create`, or null for a path that is none. */
  readonly call: string | null;
  /** HTTP status; 0 when the connection was cut before an answer. */
  readonly status: number;
  /** Real time until the answer was sent, in ms. */
  readonly ms: number;
  /** The file or batch that was asked for or made, or null. */
  readonly id: string | null;
  /** Names of the faults that were applied. */
  readonly faults: readonly string[];
}

/** One change of state of a file or a batch. */
export interface TransitionEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly kind: 'file' | 'batch';
  readonly id: string;
  /** Null when it was made. */
  readonly from: string | null;
  /** `deleted` and `expired` when it went. */
  readonly to: string;
  /** Facts that tests ask for: the input file, metadata, counts, tokens, an error's code. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Entries kept in memory; the files hold all. */
const KEPT = 100_000;

/** Entries in memory and, line by line, in a file. A line is on its way to disk when `add` returns. */
export class Log<T> {
  readonly #descriptor: number;
  readonly #listener: ((entry: T) => void) | undefined;
  #entries: T[] = [];
  #closed = false;

  constructor(path: string, listener?: (entry: T) => void) {
    this.#descriptor = openSync(path, 'a', 0o600);
    this.#listener = listener;
  }

  add(entry: T): void {
    // A call that was cut by the close may still come to its end.
    if (this.#closed) return;
    this.#entries.push(entry);
    if (this.#entries.length > 2 * KEPT) this.#entries = this.#entries.slice(-KEPT);
    writeSync(this.#descriptor, `${JSON.stringify(entry)}\n`);
    this.#listener?.(entry);
  }

  /** The latest entries, oldest first: those of this process, 100,000 at least. */
  entries(): T[] {
    return [...this.#entries];
  }

  close(): void {
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}
