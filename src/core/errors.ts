/**
 * Every error that millrace throws on purpose. `code` is stable and is what a program tests;
 * the message says what failed, where, and what to do next. No message holds a secret or a
 * record's text.
 */
export class MillraceError extends Error {
  override readonly name: string = 'MillraceError';
  /** Stable, snake_case. */
  readonly code: string;
  /** Whether the same call may succeed later without any change by the user. */
  readonly retryable: boolean;

  constructor(code: string, message: string, options: ErrorDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

export interface ErrorDetails {
  retryable?: boolean;
  cause?: unknown;
}

/** Wrong options or arguments; found before any input or output is touched. */
export class UsageError extends MillraceError {
  override readonly name = 'UsageError';
  constructor(message: string, options: ErrorDetails = {}) {
    super('usage', message, options);
  }
}

/** A compare-and-set met a newer version: somebody else moved the row. The task is stale. */
export class FenceError extends MillraceError {
  override readonly name = 'FenceError';
  constructor(what: string) {
    super('fenced', `${what} was changed by another worker; this step is stale`, {
      retryable: true,
    });
  }
}

/** The `code` of any error, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The words of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether this is the rejection of an aborted signal rather than a failure. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof Error && error.name === 'AbortError';
}

/** What is known of a request that failed. */
export interface ServiceFailure extends ErrorDetails {
  /** HTTP status, or null when no answer was read. */
  status: number | null;
  /**
   * `refused`: the service answered and did not do it. `unknown`: the answer was lost or says
   * nothing (a reset, a time-out, 5xx): it may have been done. `unsent`: it cannot have been done.
   */
  outcome: 'refused' | 'unknown' | 'unsent';
  /** What the server asked to wait, in ms. */
  retryAfterMs?: number | undefined;
  /** The service's request id, for its support. */
  requestId?: string | undefined;
}

/** A call to the service failed after its retries. `code` is the service's own where it gave one. */
export class ServiceError extends MillraceError {
  override readonly name = 'ServiceError';
  readonly status: number | null;
  readonly outcome: ServiceFailure['outcome'];
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: string, message: string, failure: ServiceFailure) {
    super(code, message, failure);
    this.status = failure.status;
    this.outcome = failure.outcome;
    this.retryAfterMs = failure.retryAfterMs;
    this.requestId = failure.requestId;
  }
}
