import type { BatchObject } from '../core/batch.ts';
import type { Shard } from '../core/job.ts';
import type { Target } from '../core/service.ts';
import type { Transaction } from '../core/store.ts';
import { type Context, heldTokensOf, jobRow, log } from './context.ts';
import { hardLimit, probe } from './quota.ts';
import { limitIn } from './quota-words.ts';

/** After how many lonely refusals in a row a shard is cut in two. */
const LONELY_REFUSALS = 2;
/** The same where the stated limit, or what was admitted before, says that there should be room. */
const LONELY_REFUSALS_WITHIN_LIMIT = 20; // about 50 min at the default of 60 s a poll
/** The same for a single record, which then fails. */
const LONELY_REFUSALS_OF_A_ROW = 100; // about 4 h

/** A target whose quota others have is asked again after at most so many polls, and a jitter. */
const MOST_POLLS_WAITED = 2;

/** A learned limit grows by this factor with each batch that ends, until it is forgotten. */
const RECOVERY_FACTOR = 1.5;

/** Binds the batch to the shard's attempt and starts polling. */
export async function bind(
  tx: Transaction,
  context: Context,
  shard: Shard,
  target: Target,
  batch: BatchObject,
): Promise<void> {
  const now = context.clock.now();
  await tx.moveShard(shard.name, shard.version, {
    state: 'submitted',
    batchId: batch.id,
    note: null,
  });
  await tx.putBatch({
    id: batch.id,
    target: target.name,
    shard: shard.name,
    attempt: shard.attempt,
    bound: true,
    status: 'validating',
    outputFileId: null,
    errorFileId: null,
    total: null,
    completed: null,
    failed: null,
    errors: [],
    createdAt: batch.createdAt ?? now,
    endedAt: null,
    tokens: heldTokensOf(shard, target),
  });
  await tx.putTask('poll', target.service.resource, now + context.settings.pollIntervalMs);
  // Found after the wish to cancel, which has gone through the batches that were known then.
  if ((await jobRow(tx)).state === 'cancelling') {
    await tx.putTask('sweep', target.service.resource, now);
  }
  await log(tx, context, 'submitted', shard.name, { batch: batch.id, attempt: shard.attempt });
}

/**
 * Closes the attempt of a shard whose rows were not answered: gives back its tokens, lets its file
 * be swept, and puts the shard back in the queue until `readyAt`. Costs the rows nothing.
 */
export async function putBack(
  tx: Transaction,
  context: Context,
  shard: Shard,
  refusal: { code: string; readyAt: number; lonelyRefusals?: number },
): Promise<void> {
  const now = context.clock.now();
  const target = shard.target === null ? undefined : context.targets.get(shard.target);
  await tx.updateHold(shard.name, shard.attempt, { releasedAt: now, fileId: shard.fileId });
  await tx.moveShard(shard.name, shard.version, {
    state: 'waiting',
    target: null,
    fileId: null,
    batchId: null,
    intentAt: null,
    readyAt: refusal.readyAt,
    lonelyRefusals: refusal.lonelyRefusals ?? 0,
    note: refusal.code,
  });
  for (const name of context.targets.keys()) await tx.putTask('grant', name, refusal.readyAt);
  if (target !== undefined) await tx.putTask('sweep', target.service.resource, now);
  await tx.putTask('finish', 'job', now);
  await log(tx, context, 'refused', shard.name, { code: refusal.code, attempt: shard.attempt });
}

/**
 * The deployment's queue is full, which others share: back-pressure, not a failure. The effective
 * limit becomes what was in flight, never below one shard. A shard that is refused alone too often
 * is cut in two. `words` are the service's.
 */
export async function backOff(
  tx: Transaction,
  context: Context,
  shard: Shard,
  target: Target,
  words: string,
): Promise<void> {
  const now = context.clock.now();
  const own = heldTokensOf(shard, target);
  const inFlight = (await tx.heldTokens(target.name)) - own;
  const lonely = inFlight <= 0;
  const lonelyRefusals = lonely ? shard.lonelyRefusals + 1 : shard.lonelyRefusals;
  const polls = Math.min(MOST_POLLS_WAITED, Math.max(1, lonelyRefusals)) + context.random();
  const readyAt = Math.ceil(now + context.settings.pollIntervalMs * polls);
  const row = (await tx.targets()).find(({ name }) => name === target.name);
  if (row !== undefined) {
    await tx.updateTarget(target.name, row.version, {
      learnedLimit: lonely ? row.learnedLimit : Math.max(inFlight, own),
      probedLimit: null,
      retryAt: readyAt,
    });
  }
  await putBack(tx, context, shard, { code: 'token_limit_exceeded', readyAt, lonelyRefusals });
  const patience = await refusalsBeforeSplit(tx, shard, target, own, words);
  if (lonelyRefusals >= patience) await tx.putTask('split', shard.name, now);
}

/**
 * How often a shard is refused alone before it is cut in two. A limit that could admit it means that
 * somebody else has the quota, which comes back: waiting costs nothing, and cutting would go on down
 * to single records, which would fail.
 */
async function refusalsBeforeSplit(
  tx: Transaction,
  shard: Shard,
  target: Target,
  own: number,
  words: string,
): Promise<number> {
  const named = limitIn(words);
  // The true count is below ours: a limit that is named between the two may still be too low.
  if (named !== null) return named >= own ? Number.POSITIVE_INFINITY : LONELY_REFUSALS;
  const row = (await tx.targets()).find(({ name }) => name === target.name);
  const said = Math.max(target.enqueuedTokens ?? 0, row?.statedLimit ?? 0);
  const trusted = said >= own || (await admittedBefore(tx, target, own));
  if (!trusted) return LONELY_REFUSALS;
  return shard.requests === 1 ? LONELY_REFUSALS_OF_A_ROW : LONELY_REFUSALS_WITHIN_LIMIT;
}

/** Whether a batch of at least so many tokens got through the target's queue in this job. */
async function admittedBefore(tx: Transaction, target: Target, tokens: number): Promise<boolean> {
  const batches = await tx.batches();
  return batches.some(
    (batch) =>
      batch.target === target.name &&
      batch.tokens >= tokens &&
      batch.status !== 'validating' &&
      batch.status !== 'failed',
  );
}

/**
 * A batch of the target ended: what was learned from refusals is trusted a little less, and with
 * `dynamicQuota` a quota that was kept to is tried a little more.
 */
export async function recoverLimit(
  tx: Transaction,
  target: Target,
  { settings }: Pick<Context, 'settings'>,
): Promise<void> {
  const row = (await tx.targets()).find(({ name }) => name === target.name);
  if (row === undefined) return;
  if (row.learnedLimit === null) {
    const waiting = await tx.shards({ states: ['sealed', 'waiting'], limit: 1 });
    if (settings.dynamicQuota && waiting.length > 0) await probe(tx, row);
    return;
  }
  const grown = Math.ceil(row.learnedLimit * RECOVERY_FACTOR);
  const forgotten = grown >= hardLimit(row);
  await tx.updateTarget(target.name, row.version, { learnedLimit: forgotten ? null : grown });
}

/** Takes no more shards to this target; what waits goes elsewhere, or the job pauses. */
export async function drain(
  tx: Transaction,
  context: Context,
  target: Target,
  reason: string,
): Promise<void> {
  const rows = await tx.targets();
  const row = rows.find(({ name }) => name === target.name);
  if (row === undefined) return;
  await tx.updateTarget(target.name, row.version, { drained: reason });
  await log(tx, context, 'drained', target.name, { code: reason });
  const open = rows.filter(
    ({ name, drained }) => name !== target.name && drained === null && context.targets.has(name),
  );
  if (open.length > 0) return;
  const job = await tx.job();
  if (job !== undefined && (job.state === 'running' || job.state === 'preparing')) {
    await tx.updateJob(job.version, { state: 'paused', pause: reason });
  }
}
