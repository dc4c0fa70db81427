import type { Random } from './clock.ts';

/** How long to wait between tries of one call. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly tries: number;
  /** Ceiling of the first wait, in ms; doubles with each further try. */
  readonly baseMs: number;
  /** Ceiling of every wait, in ms, unless the server asks for more. */
  readonly maxMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  tries: 6,
  baseMs: 500, // 0.5 s
  maxMs: 30 * 1000, // 30 s
};

/** The longest wait that a server's retry-after is followed for, in ms. */
export const RETRY_AFTER_CAP_MS = 10 * 60 * 1000; // 10 min

/** Full jitter: uniform between 0 and min(max, base * 2^failures). `failures` counts from 0. */
export function backoffMs(policy: RetryPolicy, failures: number, random: Random): number {
  return random() * Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(failures, 30));
}

/**
 * The wait that a server asked for, in ms, or undefined: `retry-after-ms`, then `retry-after` in
 * seconds (fractions allowed) or as an HTTP date. Negative and unreadable values count as absent.
 */
export function retryAfterMs(
  header: (name: string) => string | undefined,
  now: number,
): number | undefined {
  const ms = Number.parseFloat(header('retry-after-ms') ?? '');
  if (Number.isFinite(ms) && ms >= 0) return Math.min(ms, RETRY_AFTER_CAP_MS);
  const value = header('retry-after');
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
  return Number.isFinite(wait) && wait >= 0 ? Math.min(wait, RETRY_AFTER_CAP_MS) : undefined;
}
