import type { RowError } from './record.ts';

/** The answer to one request, as the service wrote it. */
export interface RowResponse {
  readonly status_code: number;
  readonly request_id: string | null;
  /** The completion, response or embedding object; an error object when status_code is not 2xx. */
  readonly body: unknown;
}

/** One try of one row. */
export interface RowAttempt {
  /** The batch's id at the service. */
  readonly batch: string;
  /** `ok`, the service's code, `http_<status>`, or `missing` when the row was in neither file. */
  readonly code: string;
  /** When the outcome was read, ISO 8601. */
  readonly at: string;
}

export type RowStatus = 'ok' | 'failed' | 'rejected';

/** One input record with its outcome. The order of keys is the order in files. */
export interface ResultRow<T = unknown, O = unknown> {
  /** Counts from 0 across all sources in their order: the key for idempotent sinks. */
  readonly ordinal: number;
  /** Null only when the record was rejected before it had an id. */
  readonly custom_id: string | null;
  /** `ok` means a 2xx with no error. */
  readonly status: RowStatus;
  readonly record: T;
  readonly response: RowResponse | null;
  readonly error: RowError | null;
  readonly attempts: readonly RowAttempt[];
  /** The answer's text as the JSON that the request's schema asked for; only in ok rows of such. */
  readonly output?: O;
}
