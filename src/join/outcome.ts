import type { RowError } from '../core/record.ts';

/** What the service decided about a request itself: asking again gives the same answer. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  'content_filter',
  'contentFilter',
  'content_policy_violation',
  'context_length_exceeded',
]);

/** What happened to the request on its way: asking again may give an answer. */
const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'batch_expired',
  'batch_cancelled',
  'batch_failed',
  'server_error',
  'internal_error',
  'internal_server_error',
  'internalFailure',
  'rate_limit_exceeded',
  'too_many_requests',
  'tooManyRequests',
  'service_unavailable',
  'serviceUnavailable',
  'timeout',
]);

/** A line's status_code 0 was seen in batches that claimed success. */
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([
  0, 408, 409, 425, 429, 500, 502, 503, 504,
]);

export const MISSING: RowError = {
  code: 'missing',
  message: 'the batch ended without an answer to this row',
};

/** Codes go into counts and events, where no text of a record may ever come. */
const CODE = /^[\w.:/-]{1,100}$/;

const EMPTY: RowError = {
  code: 'empty_answer',
  message: 'the answer holds neither a response nor an error',
};

/** What one answer means for its row. */
export type Outcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** `code` is the service's own, or `http_<status>`. */
      readonly error: RowError;
      /** The response's, or null when there was no response. */
      readonly status: number | null;
      /** Whether a further attempt may do better. */
      readonly retryable: boolean;
    };

/** Judges a parsed answer line. `ok` means a 2xx with no error. */
export function judgeAnswer(line: unknown): Outcome {
  const answer = asObject(line);
  const response = asObject(answer?.response);
  const status = response === undefined ? null : toStatus(response.status_code);
  const lineError = answer?.error ?? null;
  if (lineError === null && status !== null && status >= 200 && status < 300) return { ok: true };
  if (lineError === null && status === null) return failure(EMPTY, null, true);

  const reported = lineError ?? asObject(response?.body)?.error;
  const error = toRowError(reported, status);
  return failure(error, status, isRetryable(error.code, status));
}

/** Whether a failure with this code and status may be tried again. */
export function isRetryable(code: string, status: number | null): boolean {
  if (FINAL_CODES.has(code)) return false;
  return RETRYABLE_CODES.has(code) || (status !== null && RETRYABLE_STATUSES.has(status));
}

function failure(error: RowError, status: number | null, retryable: boolean): Outcome {
  return { ok: false, error, status, retryable };
}

function toRowError(reported: unknown, status: number | null): RowError {
  const plain = status === null ? 'request_failed' : `http_${status}`;
  const otherwise = `the service answered ${status === null ? 'with an error' : status} and gave no reason`;
  if (typeof reported === 'string' && reported !== '') return { code: plain, message: reported };
  const error = asObject(reported);
  return {
    code: toCode(error?.code) ?? toCode(error?.type) ?? plain,
    message: toText(error?.message) ?? otherwise,
  };
}

/** A response without a readable status counts as status 0. */
function toStatus(value: unknown): number {
  const status = Number.parseInt(String(value), 10);
  return Number.isNaN(status) ? 0 : status;
}

function toCode(value: unknown): string | undefined {
  const text = toText(value);
  return text !== undefined && CODE.test(text) ? text : undefined;
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}
