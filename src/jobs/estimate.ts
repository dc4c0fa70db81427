import { resolveLimits } from '../shards/limits.ts';
import { emptyProgress } from '../shards/progress.ts';
import { SealingWriter } from '../shards/writer.ts';
import { createTokenCounter } from '../tokens/counter.ts';
import { estimateCost, loadModelTable, type ModelTable, modelInfo } from '../tokens/models.ts';
import { countedBlocks, type JobCounter } from './counted.ts';
import { checkColumns, type PrepareOptions } from './prepare.ts';
import { type RejectReason, RejectReasons } from './reject-reasons.ts';
import { openRequest } from './request.ts';
import { openSources } from './sources.ts';
import { type SampleResult, TokenSample } from './token-sample.ts';
import type { Plan } from './write-shards.ts';

/** What a job would be made of, and the quota it would run under. */
export interface EstimateOptions<T> extends PrepareOptions<T> {
  /** The job's name, which stands in every custom_id. Default `job`. */
  name?: string | undefined;
  /** Enqueued tokens that the deployment admits, as the service counts them. Default: unknown. */
  enqueuedTokens?: number | undefined;
  /** What the service counts for one true token. Default 1. */
  enqueuedTokenFactor?: number | undefined;
  /** Count so many requests, chosen at random, and tell the tokens of all from them. Default: all. */
  sample?: number | undefined;
}

/** What a job would come to. Nothing is sent or written to know it. */
export interface Estimate extends Plan {
  /** Why records would be rejected, the most frequent reason first. */
  readonly reasons: readonly RejectReason[];
  /** How far the tokens, and what follows from them, can be off; null when all are counted. */
  readonly sample: Pick<SampleResult, 'requests' | 'tokenError'> | null;
  /** The model that is counted and priced. */
  readonly baseModel: string;
  /** Price of the input tokens in batch, null when it is not known; output comes on top. */
  readonly inputCost: number | null;
  /** ISO 4217, of the price table. */
  readonly currency: string;
  /** Of the price table, ISO 8601. */
  readonly priceDate: string | null;
  /** How often the quota is filled until all is sent; null without a quota. */
  readonly waves: number | null;
  /** At the service's target of 24 hours a batch; most take far less. Null without a quota. */
  readonly hoursAtMost: number | null;
}

/** The service's target for one batch. */
const BATCH_HOURS = 24;

/**
 * Reads, builds, counts and cuts everything as `prepareJob` would, exactly, and writes nothing. With
 * `sample` the tokens are those of a random sample and bring their error; records and bytes stay exact.
 */
export async function estimateJob<T>(options: EstimateOptions<T>): Promise<Estimate> {
  const { signal, strict, name = 'job' } = options;
  const request = await openRequest(options.request, options.version);
  const sources = await openSources(options.source, options.sourceOptions);
  checkColumns(request, sources);
  const limits = resolveLimits({ ...options.defaultLimits, ...options.limits });
  let model = options.baseModel ?? request.builder.model ?? '';
  let counter: JobCounter | undefined;
  const table = loadModelTable(options.models);
  const sample = options.sample === undefined ? null : new TokenSample(options.sample);
  const counterFor = async (requested: string) => {
    model ||= requested;
    counter ??= await createTokenCounter(model, { table });
    return sample?.counter(counter) ?? counter;
  };
  const reasons = new RejectReasons();
  let plan = { records: 0, requests: 0, rejected: 0, shards: 0, bytes: 0, tokens: 0 };
  for (const source of sources) {
    const writer = new SealingWriter({
      directory: null,
      partition: WHOLE.name,
      jobName: name,
      limits,
      firstOrdinal: plan.records,
      progress: emptyProgress(),
      strict,
      onReject: (error, position) => reasons.add(error, position),
      compared: false,
      onSeal: async () => undefined,
    });
    for await (const block of countedBlocks(
      source.read(WHOLE, 0, signal, request.splice?.raw),
      request,
      counterFor,
    )) {
      for (const { item } of block) {
        sample?.add(item);
        const written = writer.add(item, null);
        if (written !== undefined) await written;
      }
    }
    plan = sum(plan, await writer.finish());
  }
  const found = sample?.result(plan.requests) ?? null;
  const tokens = found?.tokens ?? plan.tokens;
  return {
    ...plan,
    reasons: reasons.list(),
    tokens,
    sample: found === null ? null : { requests: found.requests, tokenError: found.tokenError },
    ...priceOf(model, tokens, table),
    ...timeOf(tokens, options),
  };
}

const WHOLE = {
  name: 'p0000',
  source: 0,
  start: 0,
  end: null,
  firstOrdinal: 0,
  records: null,
  state: 'planned' as const,
  version: 0,
  progress: emptyProgress(),
};

function sum(a: Plan, b: Plan): Plan {
  return {
    records: a.records + b.records,
    requests: a.requests + b.requests,
    rejected: a.rejected + b.rejected,
    shards: a.shards + b.shards,
    bytes: a.bytes + b.bytes,
    tokens: a.tokens + b.tokens,
  };
}

function priceOf(baseModel: string, tokens: number, table: ModelTable) {
  const { price } = modelInfo(baseModel, table);
  return {
    baseModel,
    inputCost: estimateCost(baseModel, { input: tokens }, table),
    currency: price?.currency ?? 'USD',
    priceDate: price?.date ?? null,
  };
}

function timeOf(
  tokens: number,
  {
    enqueuedTokens,
    enqueuedTokenFactor = 1,
  }: Pick<EstimateOptions<unknown>, 'enqueuedTokens' | 'enqueuedTokenFactor'>,
) {
  if (enqueuedTokens === undefined) return { waves: null, hoursAtMost: null };
  const waves = Math.ceil((tokens * enqueuedTokenFactor) / enqueuedTokens);
  return { waves, hoursAtMost: waves * BATCH_HOURS };
}
