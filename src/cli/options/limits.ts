import type { Command } from 'commander';
import type { LimitOptions } from '../../shards/limits.ts';
import { count, money, sizeBytes } from '../units.ts';

export interface ShardFlags {
  maxRequests?: number;
  maxBytes?: number;
  maxShardTokens?: number;
}

export interface QuotaFlags {
  enqueuedTokens?: number;
  maxAttempts?: number;
  maxCost?: number;
  dynamicQuota?: boolean;
  retryMismatch?: boolean;
}

/** What a shard may hold: fixed once the first one is sealed. */
export function addShardFlags(command: Command): Command {
  return command
    .optionsGroup('Limits:')
    .option('--max-requests <count>', 'requests in one shard (100k)', (text) =>
      count(text, '--max-requests'),
    )
    .option('--max-bytes <size>', 'bytes of one request file (200MB)', (text) =>
      sizeBytes(text, '--max-bytes'),
    )
    .option('--max-shard-tokens <count>', 'input tokens in one shard (quota / 3)', (text) =>
      count(text, '--max-shard-tokens'),
    );
}

/** The quota of the deployment. */
export function addEnqueuedTokensFlag(command: Command): Command {
  return command.option(
    '--enqueued-tokens <count>',
    'the quota of the deployment: 90k, 5B',
    (text) => count(text, '--enqueued-tokens'),
  );
}

/** What may be sent: free to change from run to run. */
export function addQuotaFlags(command: Command): Command {
  return addEnqueuedTokensFlag(command.optionsGroup('Limits:'))
    .option('--max-attempts <count>', 'tries of one row (3)', (text) =>
      count(text, '--max-attempts'),
    )
    .option('--retry-mismatch', 'try answers again that do not follow the --schema')
    .option('--dynamic-quota', 'try up to four times the quota, and back off')
    .option('--max-cost <sum>', 'pause before more would be spent, in USD', (text) =>
      money(text, '--max-cost'),
    );
}

/** The flags as the shard writer takes them; absent ones stay as the job has them. */
export function limitOptions({ maxRequests, maxBytes, maxShardTokens }: ShardFlags): LimitOptions {
  return {
    ...(maxRequests === undefined ? {} : { maxRequests }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxShardTokens === undefined ? {} : { maxTokens: maxShardTokens }),
  };
}
