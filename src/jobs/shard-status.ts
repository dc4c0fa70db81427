import type { ShardState } from '../core/job.ts';
import type { Reader } from '../core/store.ts';
import { jobRow } from './context.ts';
import { shardCost, shardEstimate } from './cost.ts';
import { outputEstimate } from './output-tokens.ts';

/** Where one shard stands and what it costs. */
export interface ShardStatus {
  readonly name: string;
  readonly state: ShardState;
  readonly target: string | null;
  readonly attempt: number;
  readonly batch: string | null;
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  readonly tokens: { readonly estimated: number; readonly actual: number; readonly output: number };
  /** Null where the price is not known; `actual` also before there are answers. */
  readonly cost: { readonly estimated: number | null; readonly actual: number | null };
}

/** Every shard of a job, in the order in which they are sent. */
export async function shardStatuses(tx: Reader): Promise<ShardStatus[]> {
  const { request } = (await jobRow(tx)).spec;
  const output = outputEstimate(request, await tx.totals());
  return (await tx.shards()).map((shard) => ({
    name: shard.name,
    state: shard.state,
    target: shard.target,
    attempt: shard.attempt,
    batch: shard.batchId,
    requests: shard.requests,
    ok: shard.ok,
    failed: shard.failed,
    tokens: {
      estimated: shard.tokens,
      actual: shard.usage.input,
      output: shard.usage.output,
    },
    cost: {
      estimated: shardEstimate(request, shard, output),
      actual: shard.joinedSeq === null ? null : shardCost(request, shard),
    },
  }));
}
