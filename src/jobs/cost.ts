import type { Shard } from '../core/job.ts';
import type { Transaction } from '../core/store.ts';
import { estimateCost, loadModelTable, type ModelTable, modelInfo } from '../tokens/models.ts';
import { type Context, jobRow, log } from './context.ts';
import { tableOf } from './model-table.ts';

/** Money, from the dated price table. Null where the model's price is not known. */
export interface Cost {
  /** Of the input tokens of every request once; output is not known beforehand. */
  readonly estimated: number | null;
  /** Of the tokens that the answers report. */
  readonly actual: number | null;
  readonly currency: string;
}

export interface SpentTokens {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
}

export function costOf(
  baseModel: string,
  estimatedInput: number,
  spent: SpentTokens,
  table: ModelTable = loadModelTable(),
): Cost {
  return {
    estimated: estimateCost(baseModel, { input: estimatedInput }, table),
    actual: estimateCost(
      baseModel,
      { input: spent.input, cached: spent.cachedInput, output: spent.output },
      table,
    ),
    currency: modelInfo(baseModel, table).price?.currency ?? 'USD',
  };
}

/**
 * Whether sending the shard could pass `--max-cost`: what the answers so far cost, and the input of
 * what is under way and of this shard, each with the output that the answers so far had. Pauses the
 * job if so.
 */
export async function overBudget(
  tx: Transaction,
  context: Context,
  shard: Shard,
): Promise<boolean> {
  const { maxCost } = context.settings;
  if (maxCost === null) return false;
  const job = await jobRow(tx);
  const model = job.spec.request?.baseModel ?? '';
  const totals = await tx.totals();
  let open = shard.tokens;
  for (const { shard: name, releasedAt } of await tx.openHolds()) {
    if (releasedAt === null) open += (await tx.shard(name))?.tokens ?? 0;
  }
  const outputRatio = totals.inputTokens === 0 ? 0 : totals.outputTokens / totals.inputTokens;
  const spent = estimateCost(
    model,
    {
      input: totals.inputTokens + open,
      cached: totals.cachedInputTokens,
      output: totals.outputTokens + open * outputRatio,
    },
    tableOf(job.spec.request),
  );
  if (spent !== null && spent <= maxCost) return false;
  const reason =
    spent === null
      ? `--max-cost is set but the price of ${model} is not known; name a --base-model with a price`
      : `--max-cost ${maxCost} would be passed (${spent.toFixed(2)}); raise it and resume`;
  await tx.updateJob(job.version, { state: 'paused', pause: reason });
  await log(tx, context, 'paused', 'job', { code: 'max_cost' });
  return true;
}
