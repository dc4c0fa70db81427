import type { Shard } from '../../core/job.ts';
import type { Target } from '../../core/service.ts';
import type { JobRow, Transaction } from '../../core/store.ts';
import { type Context, jobRow, log, maySend, type Step, waitUntil } from '../context.ts';
import { shardEstimate, withinBudget } from '../cost.ts';
import { outputEstimate } from '../output-tokens.ts';
import { Pool } from '../pool.ts';
import { endSample, sampleShards } from '../sample.ts';

/** Shards looked at in one transaction. */
const MOST_GRANTS = 50;

/**
 * Binds waiting shards to targets, in order, while quotas and file slots admit them: whichever
 * target woke it, all of them are filled. Local: the tokens are held before anything is sent.
 */
export const grant: Step = async (context, task) => {
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const job = await jobRow(tx);
    if (!maySend(job)) return;
    const now = context.clock.now();
    const queue = await waitingShards(tx, context, job);
    if (queue === null) return;
    const pool = await Pool.open(tx, context);
    const { request } = job.spec;
    const output = outputEstimate(request, await tx.totals());
    let granted = 0;
    for (const shard of queue) {
      if (waitUntil(context, shard.readyAt) > 0) {
        await tx.putTask('grant', task.id, shard.readyAt);
        continue;
      }
      const place = pool.take(shard);
      if (place === 'never') {
        await tx.putTask('split', shard.name, now);
        continue;
      }
      if (place === 'none') {
        if (pool.isFull) break;
        continue;
      }
      const afforded = await withinBudget(tx, context, shard);
      if (afforded === 'no') return;
      if (afforded === 'later') break;
      await give(tx, context, shard, place, shardEstimate(request, shard, output));
      granted += 1;
    }
    if (granted > 0 && queue.length === MOST_GRANTS) await tx.putTask('grant', task.id, now);
    if (job.sample?.state === 'running') return;
    // Left-over rows wait until nothing else does.
    if (granted === queue.length) await tx.putTask('retry', 'job', now);
    else await lookForSlots(tx, context, pool.withoutSlots);
  });
};

/**
 * The shards that may go now, in order; null when the job pauses. While a sample runs, it goes alone,
 * with what it was cut into; once it is answered and all is prepared, it ends.
 */
async function waitingShards(
  tx: Transaction,
  context: Context,
  job: JobRow,
): Promise<Shard[] | null> {
  const queue = await tx.shards({ states: ['sealed', 'waiting'], limit: MOST_GRANTS });
  if (job.sample?.state !== 'running') return queue;
  const { shards, answered } = await sampleShards(tx, job.sample);
  if (!answered || job.state !== 'running') {
    const names = new Set(shards.map(({ name }) => name));
    return queue.filter(({ name, partition }) => partition === null || names.has(name));
  }
  return (await endSample(tx, context, job)) === 'over' ? queue : null;
}

async function give(
  tx: Transaction,
  context: Context,
  shard: Shard,
  { target, tokens }: { readonly target: Target; readonly tokens: number },
  cost: number | null,
): Promise<void> {
  const attempt = shard.attempt + 1;
  await tx.moveShard(shard.name, shard.version, {
    state: 'granted',
    attempt,
    target: target.name,
    note: null,
  });
  await tx.insertHold({
    shard: shard.name,
    attempt,
    target: target.name,
    tokens,
    takenAt: context.clock.now(),
    releasedAt: null,
    fileId: null,
    fileGoneAt: null,
  });
  await tx.putTask('upload', shard.name, context.clock.now());
  await log(tx, context, 'granted', shard.name, { target: target.name, tokens, attempt, cost });
}

/** A resource is full of files: ours go as their batches end, and those of others are counted again. */
async function lookForSlots(
  tx: Transaction,
  context: Context,
  resources: readonly string[],
): Promise<void> {
  for (const resource of resources) {
    await tx.putTask('survey', resource, context.clock.now() + context.settings.pollIntervalMs);
  }
}
