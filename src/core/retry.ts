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

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * How long no further call will be admitted, in ms, by the headers of an answer that was: none left
 * (`x-ratelimit-remaining-requests: 0`) until then (`x-ratelimit-reset-requests: 6m0s`). Undefined
 * where the headers do not say so.
 */
export function rateLimitWaitMs(header: (name: string) => string | undefined): number | undefined {
  if (header('x-ratelimit-remaining-requests')?.trim() !== '0') return undefined;
  const reset = header('x-ratelimit-reset-requests')?.trim() ?? '';
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(reset)) return undefined;
  let wait = 0;
  for (const [, value, unit] of reset.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    wait += Number(value) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return Math.min(wait, RETRY_AFTER_CAP_MS);
}
