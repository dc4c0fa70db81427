import { DIALECTS } from '../service/dialects.ts';

/** Several shards must fit into the quota at once. */
const QUOTA_SHARE = 1 / 3;

/** What Azure counts for one true token, when no service is asked yet. */
export const TOKEN_FACTOR = DIALECTS.azure.enqueuedTokenFactor;

/** Input tokens of a shard that leave room for others in the quota; undefined without a quota. */
export function shardShare(quota: number | undefined): number | undefined {
  if (quota === undefined) return undefined;
  return Math.max(1, Math.floor((quota * QUOTA_SHARE) / TOKEN_FACTOR));
}
