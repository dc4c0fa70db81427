import type { RowError } from './record.ts';

/** The answer to one request, as the service wrote it. */
export interface RowResponse {
  /** HTTP's. */
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

/**
 * `ok`: a 2xx without an error. `failed`: the service's error after the last attempt. `rejected`: no
 * request could be made of the record.
 */
export type RowStatus = 'ok' | 'failed' | 'rejected';

/** One input record with its outcome. The order of keys is the order in files. */
export interface ResultRow<T = unknown, O = unknown> {
  /** Counts from 0 across all sources in their order: the key for idempotent sinks. */
  readonly ordinal: number;
  /** Null only when the record was rejected before it had an id. */
  readonly custom_id: string | null;
  /** `ok` means a 2xx with no error. */
  readonly status: RowStatus;
  /** As it was read; of a rejected row what could be read of it. */
  readonly record: T;
  /** Null where the service gave none: in rejected rows, and in some that failed. */
  readonly response: RowResponse | null;
  /** Null in ok rows. */
  readonly error: RowError | null;
  /** In their order; none of a rejected row. */
  readonly attempts: readonly RowAttempt[];
  /** The answer's text as the JSON that the request's schema asked for; only in ok rows of such. */
  readonly output?: O;
}
