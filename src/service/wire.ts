import type {
  BatchError,
  BatchObject,
  BatchStatus,
  FileObject,
  FileStatus,
} from '../core/batch.ts';
import { TERMINAL_STATUSES } from '../core/batch.ts';

/**
 * The service writes one thing in many ways: `Validating` and `validating`, `canceled` and
 * `cancelled`, unix seconds and ISO times, null and empty ids. Everything here folds them to one,
 * and returns null where an answer lacks what makes it usable at all.
 */

type Json = Readonly<Record<string, unknown>>;

const BATCH_STATUSES: Readonly<Record<string, BatchStatus>> = {
  validating: 'validating',
  notstarted: 'validating',
  pending: 'validating',
  queued: 'validating',
  inprogress: 'in_progress',
  running: 'in_progress',
  finalizing: 'finalizing',
  completed: 'completed',
  succeeded: 'completed',
  failed: 'failed',
  expired: 'expired',
  canceling: 'cancelling',
  cancelling: 'cancelling',
  canceled: 'cancelled',
  cancelled: 'cancelled',
};

const FILE_STATUSES: Readonly<Record<string, FileStatus>> = {
  uploaded: 'uploaded',
  notrunning: 'pending',
  pending: 'pending',
  running: 'running',
  processed: 'processed',
  succeeded: 'processed',
  error: 'error',
  failed: 'error',
  deleting: 'deleting',
  deleted: 'deleted',
};

/** A batch, or null when the value has no id. */
export function toBatch(value: unknown): BatchObject | null {
  const json = object(value);
  const id = text(json?.id);
  if (json === null || id === null) return null;
  // A status that is not known yet is a live one: its tokens stay held and it is asked for again.
  const status = toBatchStatus(json.status) ?? 'in_progress';
  const counts = object(json.request_counts);
  return {
    id,
    status,
    endpoint: text(json.endpoint),
    inputFileId: text(json.input_file_id) ?? text(json.input_blob),
    outputFileId: text(json.output_file_id) ?? text(json.output_blob),
    errorFileId: text(json.error_file_id) ?? text(json.error_blob),
    createdAt: time(json.created_at),
    endedAt: TERMINAL_STATUSES.has(status) ? endTime(json, status) : null,
    expiresAt: time(json.expires_at),
    errors: toErrors(json.errors),
    counts: {
      total: count(counts?.total),
      completed: count(counts?.completed),
      failed: count(counts?.failed),
    },
    metadata: stringMap(json.metadata),
  };
}

/** A status in whatever spelling, or null when it is none that is known. */
export function toBatchStatus(value: unknown): BatchStatus | null {
  const word = fold(value);
  return Object.hasOwn(BATCH_STATUSES, word) ? (BATCH_STATUSES[word] ?? null) : null;
}

/** A file, or null when the value has no id. */
export function toFile(value: unknown): FileObject | null {
  const json = object(value);
  const id = text(json?.id);
  if (json === null || id === null) return null;
  return {
    id,
    name: text(json.filename) ?? '',
    bytes: count(json.bytes),
    status: FILE_STATUSES[fold(json.status)] ?? null,
    purpose: text(json.purpose) ?? '',
    createdAt: time(json.created_at),
    expiresAt: time(json.expires_at),
  };
}

/** One page of a list, under `data` or `value`; null when the value is no list. */
export function toPage(value: unknown): { items: readonly unknown[]; hasMore: boolean } | null {
  const json = object(value);
  if (json === null) return null;
  const items = Array.isArray(json.data) ? json.data : json.value;
  if (!Array.isArray(items)) return null;
  return { items, hasMore: json.has_more === true };
}

/** Milliseconds since the epoch from seconds (whole, with a fraction, or as text) or ISO 8601. */
export function time(value: unknown): number | null {
  if (typeof value === 'string' && value.trim() !== '') {
    const seconds = Number(value);
    return Number.isFinite(seconds) ? time(seconds) : finite(Date.parse(value));
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return null;
  return Math.round(value * 1000);
}

/** A whole number from a number or its text, or null. */
export function count(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number >= 0
    ? Math.trunc(number)
    : null;
}

/** The value as an object, or null. */
export function object(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : null;
}

/** A non-empty string, or null. */
export function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function endTime(json: Json, status: BatchStatus): number | null {
  const own = time(json[`${status}_at`]);
  if (own !== null) return own;
  // A failed batch has been seen with `completed_at` set and `failed_at` null.
  for (const key of ['completed_at', 'failed_at', 'expired_at', 'cancelled_at', 'canceled_at']) {
    const other = time(json[key]);
    if (other !== null) return other;
  }
  return null;
}

function toErrors(value: unknown): BatchError[] {
  const data = Array.isArray(value) ? value : (object(value)?.data ?? object(value)?.value);
  const entries = Array.isArray(data) ? data : [data ?? value];
  return entries.flatMap((entry) => {
    const json = object(entry);
    const message = text(json?.message) ?? '';
    const code = text(json?.code) ?? (message === '' ? null : 'unknown');
    if (json === null || code === null) return [];
    return [{ code, message, line: count(json.line), param: text(json.param) }];
  });
}

function stringMap(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(value) ?? {}).flatMap(([key, item]) =>
      item === undefined || typeof item === 'object' ? [] : [[key, String(item)]],
    ),
  );
}

/** `InProgress`, `in_progress` and `in progress` are one status. */
function fold(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase().replace(/[^a-z]/g, '') : '';
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
