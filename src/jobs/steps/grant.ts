import type { Shard } from '../../core/job.ts';
import type { Target } from '../../core/service.ts';
import type { Transaction } from '../../core/store.ts';
import { type Context, jobRow, log, maySend, type Step, waitUntil } from '../context.ts';
import { overBudget } from '../cost.ts';
import { Pool } from '../pool.ts';

/** Shards looked at in one transaction. */
const MOST_GRANTS = 50;

/**
 * Binds waiting shards to targets, in order, while quotas and file slots admit them: whichever
 * target woke it, all of them are filled. Local: the tokens are held before anything is sent.
 */
export const grant: Step = async (context, task) => {
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (!maySend(await jobRow(tx))) return;
    const now = context.clock.now();
    const pool = await Pool.open(tx, context);
    let granted = 0;
    const queue = await tx.shards({ states: ['sealed', 'waiting'], limit: MOST_GRANTS });
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
      if (await overBudget(tx, context, shard)) return;
      await give(tx, context, shard, place.target, place.tokens);
      granted += 1;
    }
    if (granted > 0 && queue.length === MOST_GRANTS) await tx.putTask('grant', task.id, now);
    // Left-over rows wait until nothing else does.
    if (granted === queue.length) await tx.putTask('retry', 'job', now);
    else await lookForSlots(tx, context, pool.withoutSlots);
  });
};

async function give(
  tx: Transaction,
  context: Context,
  shard: Shard,
  target: Target,
  tokens: number,
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
  await log(tx, context, 'granted', shard.name, { target: target.name, tokens, attempt });
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
