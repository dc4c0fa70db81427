import type { Target } from '../core/service.ts';
import { type LimitOptions, resolveLimits } from '../shards/limits.ts';

/** A shard takes at most this part of the smallest quota, so that several are in flight. */
const QUOTA_SHARE = 1 / 3;

/**
 * The limits that fit every target: requests and bytes of a file as the strictest of them takes it,
 * and tokens that leave room for others in the smallest quota. Throws a UsageError when a limit that
 * is given is more than a target takes.
 */
export function limitsOfTargets(
  targets: readonly Target[],
  given: LimitOptions = {},
): LimitOptions {
  const dialects = targets.map(({ service }) => service.dialect);
  for (const dialect of dialects) resolveLimits(given, dialect);
  const quotas = targets
    .filter(({ enqueuedTokens }) => enqueuedTokens !== null)
    .map(
      ({ enqueuedTokens, service }) => (enqueuedTokens ?? 0) / service.dialect.enqueuedTokenFactor,
    );
  const files = {
    maxRequests: Math.min(...dialects.map(({ maxRequestsPerFile }) => maxRequestsPerFile)),
    maxBytes: Math.min(...dialects.map(({ maxFileBytes }) => maxFileBytes)),
  };
  if (quotas.length === 0) return files;
  const quota = Math.min(...quotas);
  return {
    ...files,
    maxTokens: Math.max(1, Math.floor(quota * QUOTA_SHARE)),
    // One that takes more than its share is sent alone rather than refused.
    maxRequestTokens: Math.max(1, Math.floor(quota)),
  };
}
