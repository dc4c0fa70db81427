import { UsageError } from '../core/errors.ts';
import type { ShardLimits } from '../core/job.ts';
import type { Dialect } from '../core/service.ts';

/**
 * Bytes kept free for each line beside its own: a target's deployment may have a longer name than
 * the job's model, and some dialects write `/v1` before the url.
 */
export const LINE_HEADROOM_BYTES = 64;

/** What the most generous of services takes in one file, which is a blob: 1 GB, read as 10^9. */
const MOST_FILE_BYTES = 1_000_000_000;

/** Stands for no limit of tokens. A number, because limits are stored as JSON. */
export const UNLIMITED_TOKENS = Number.MAX_SAFE_INTEGER;

/** What the service takes in one file of its own when no dialect says otherwise. */
export const DEFAULT_LIMITS: ShardLimits = {
  maxRequests: 100_000,
  maxBytes: 200_000_000, // 200 MB, read as 10^6
  maxTokens: UNLIMITED_TOKENS,
};

/** Where shards are cut. What stands here may not change once a shard is sealed. */
export interface LimitOptions {
  /** Requests in one shard. Default: what the service takes, 100,000. */
  maxRequests?: number | undefined;
  /**
   * Bytes of one request file, headroom included. Default: what the service takes, 200 MB (1 GB as a
   * blob).
   */
  maxBytes?: number | undefined;
  /** Input tokens of one shard, before the service's factor. Default: no limit. */
  maxTokens?: number | undefined;
  /**
   * Input tokens that one request may have; above `maxTokens` it makes a shard of its own. Default:
   * `maxTokens`.
   */
  maxRequestTokens?: number | undefined;
  /** A shard ends at this request of the first records, so that they can go first. Default: none. */
  sampleRequests?: number | undefined;
}

/**
 * The limits that shards are sealed by. Throws a UsageError for a value that is not a positive
 * whole number, or is more than the service takes.
 */
export function resolveLimits(
  options: LimitOptions = {},
  dialect?: Pick<Dialect, 'name' | 'maxRequestsPerFile' | 'maxFileBytes'>,
): ShardLimits {
  const most = {
    maxRequests: dialect?.maxRequestsPerFile ?? DEFAULT_LIMITS.maxRequests,
    maxBytes: dialect?.maxFileBytes ?? DEFAULT_LIMITS.maxBytes,
    maxTokens: DEFAULT_LIMITS.maxTokens,
  };
  const maxTokens = resolve('tokens', options.maxTokens, most.maxTokens);
  const alone = resolve('tokens', options.maxRequestTokens, most.maxTokens);
  return {
    maxRequests: resolve('requests', options.maxRequests, most.maxRequests),
    maxBytes: resolve(
      'bytes',
      options.maxBytes,
      most.maxBytes,
      dialect?.maxFileBytes ?? MOST_FILE_BYTES,
    ),
    maxTokens,
    ...(options.maxRequestTokens === undefined || alone === maxTokens
      ? {}
      : { maxRequestTokens: alone }),
    ...(options.sampleRequests === undefined
      ? {}
      : {
          sampleRequests: resolve('sampled requests', options.sampleRequests, most.maxTokens),
        }),
  };
}

function resolve(
  what: string,
  given: number | undefined,
  otherwise: number,
  most: number = otherwise,
): number {
  if (given === undefined || given === Number.POSITIVE_INFINITY) return otherwise;
  if (!Number.isSafeInteger(given) || given < 1) {
    throw new UsageError(`the limit of ${what} in a shard must be a positive whole number`);
  }
  if (given > most) {
    throw new UsageError(
      `the limit of ${what} in a shard is ${given}, but the service takes ${most} in one file`,
    );
  }
  return given;
}
