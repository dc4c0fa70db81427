import type { RequestSpec, Shard } from '../core/job.ts';
import type { Totals, Transaction } from '../core/store.ts';
import { estimateCost, modelInfo } from '../tokens/models.ts';
import { type Context, jobRow, log } from './context.ts';
import { tableOf } from './model-table.ts';
import { type OutputEstimate, outputEstimate } from './output-tokens.ts';

/** Money, from the dated price table. Null where the model's price is not known. */
export interface Cost {
  /** Of the input tokens of every request once. */
  readonly estimated: number | null;
  /** Of the output of every request once, as far as it can be told; null when it cannot. */
  readonly estimated_output: number | null;
  /** How the output is told: from answers so far, or by what the requests allow. */
  readonly output_basis: OutputEstimate['basis'];
  /** Of the tokens that the answers report, cached and reasoning ones included. */
  readonly actual: number | null;
  readonly currency: string;
  /** Of the price table, ISO 8601; null when the model has no price. */
  readonly price_date: string | null;
}

/** What the job costs, told from its sums. */
export function costOf(request: RequestSpec | null, totals: Totals): Cost {
  const output = outputEstimate(request, totals);
  const { price } = modelInfo(request?.baseModel ?? '', tableOf(request));
  return {
    estimated: priceOf(request, { input: totals.tokens }),
    estimated_output:
      output.perRequest === null
        ? null
        : priceOf(request, { input: 0, output: totals.requests * output.perRequest }),
    output_basis: output.basis,
    actual: spentOn(request, totals),
    currency: price?.currency ?? 'USD',
    price_date: price?.date ?? null,
  };
}

/** The price of tokens for the job's model; `cached` is a part of `input`. */
export function priceOf(
  request: RequestSpec | null,
  tokens: { input: number; cached?: number; output?: number },
): number | null {
  return estimateCost(request?.baseModel ?? '', tokens, tableOf(request));
}

/** What a shard is taken to cost beforehand; its input alone when nothing is known of its output. */
export function shardEstimate(
  request: RequestSpec | null,
  { tokens, requests }: Pick<Shard, 'tokens' | 'requests'>,
  output: OutputEstimate,
): number | null {
  return priceOf(request, { input: tokens, output: requests * (output.perRequest ?? 0) });
}

/** What a shard's answers cost. */
export function shardCost(request: RequestSpec | null, { usage }: Shard): number | null {
  const { input, cachedInput, output } = usage;
  return priceOf(request, { input, cached: cachedInput, output });
}

function spentOn(request: RequestSpec | null, totals: Totals): number | null {
  return priceOf(request, {
    input: totals.inputTokens,
    cached: totals.cachedInputTokens,
    output: totals.outputTokens,
  });
}

/**
 * Whether the shard may be sent within `--max-cost`: what the answers so far cost, and what this
 * shard and those under way may. `later` waits for those under way, to know what they cost in truth;
 * as long as nothing can be said of the output, one shard at a time goes, to learn it. `no` pauses
 * the job.
 */
export async function withinBudget(
  tx: Transaction,
  context: Context,
  shard: Shard,
): Promise<'yes' | 'later' | 'no'> {
  const { maxCost } = context.settings;
  if (maxCost === null) return 'yes';
  const job = await jobRow(tx);
  const { request } = job.spec;
  const totals = await tx.totals();
  const output = outputEstimate(request, totals);
  const spent = spentOn(request, totals);
  const next = shardEstimate(request, shard, output);
  if (spent === null || next === null) {
    const model = request?.baseModel ?? '';
    await pause(
      tx,
      context,
      `--max-cost is set but the price of ${model} is not known: begin another job with a --base-model that has one, or run this one again with --models FILE`,
    );
    return 'no';
  }
  let open = 0;
  let shards = 0;
  for (const name of await shardsUnderWay(tx)) {
    const other = await tx.shard(name);
    if (other === undefined) continue;
    open += shardEstimate(request, other, output) ?? 0;
    shards += 1;
  }
  if (spent + open + next > maxCost) {
    // What is under way may come to less than it could.
    if (shards > 0) return 'later';
    await pause(
      tx,
      context,
      `--max-cost ${maxCost} would be passed: ${money(spent)} spent, ${money(next)} for the next shard ` +
        `(output: ${BASIS[output.basis]}); raise it and resume`,
    );
    return 'no';
  }
  return output.basis === 'unknown' && shards > 0 ? 'later' : 'yes';
}

const BASIS: Readonly<Record<OutputEstimate['basis'], string>> = {
  learnt: 'as the answers so far, and a tenth more',
  bound: 'the most that the requests allow',
  none: 'none',
  unknown: 'not known yet and not counted',
};

/** Shards that are granted and whose answers are not counted yet. */
async function shardsUnderWay(tx: Transaction): Promise<Set<string>> {
  const holds = (await tx.openHolds()).filter(({ releasedAt }) => releasedAt === null);
  const reading = await tx.shards({ states: ['ended', 'collecting'] });
  return new Set([...holds, ...reading.map(({ name }) => ({ shard: name }))].map((x) => x.shard));
}

async function pause(tx: Transaction, context: Context, reason: string): Promise<void> {
  const job = await jobRow(tx);
  await tx.updateJob(job.version, { state: 'paused', pause: reason });
  await log(tx, context, 'paused', 'job', { code: 'max_cost' });
}

/** Enough digits to be more than zero. */
function money(sum: number): string {
  return sum >= 1 || sum === 0 ? sum.toFixed(2) : sum.toPrecision(2);
}
