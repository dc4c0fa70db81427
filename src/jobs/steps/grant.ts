import type { Shard } from '../../core/job.ts';
import type { Target } from '../../core/service.ts';
import type { Transaction } from '../../core/store.ts';
import {
  type Context,
  heldTokensOf,
  jobRow,
  log,
  maySend,
  type Step,
  targetNamed,
  waitUntil,
} from '../context.ts';
import { overBudget } from '../cost.ts';

/** Shards looked at in one transaction. */
const MOST_GRANTS = 50;

/**
 * Binds waiting shards to the target, in order, while its quota and its file slots admit them.
 * Local: the tokens are held before anything is sent.
 */
export const grant: Step = async (context, task) => {
  const target = targetNamed(context, task.id);
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const row = (await tx.targets()).find(({ name }) => name === target.name);
    if (row === undefined || row.drained !== null || !maySend(await jobRow(tx))) return;
    const now = context.clock.now();
    if (waitUntil(context, row.retryAt) > 0) return tx.putTask('grant', target.name, row.retryAt);
    const limit = Math.min(row.limit ?? Infinity, row.learnedLimit ?? Infinity);
    let held = await tx.heldTokens(target.name);
    let slots = target.service.dialect.maxFiles - (await filesOf(tx, context, target));
    let granted = 0;
    const queue = await tx.shards({ states: ['sealed', 'waiting'], limit: MOST_GRANTS });
    for (const shard of queue) {
      if (waitUntil(context, shard.readyAt) > 0) {
        await tx.putTask('grant', target.name, shard.readyAt);
        continue;
      }
      const tokens = heldTokensOf(shard, target);
      if (tokens > (row.limit ?? Infinity) || !fitsFile(shard, target)) {
        await tx.putTask('split', shard.name, now);
        continue;
      }
      if (slots <= 0 || (held > 0 && held + tokens > limit)) return;
      if (await overBudget(tx, context, shard)) return;
      await give(tx, context, shard, target, tokens);
      held += tokens;
      slots -= 1;
      granted += 1;
    }
    if (granted > 0 && queue.length === MOST_GRANTS) await tx.putTask('grant', target.name, now);
    // Left-over rows wait until nothing else does.
    if (granted === queue.length) await tx.putTask('retry', 'job', now);
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

/** Whether the target's service takes a file as large as the shard's, prepared for another perhaps. */
function fitsFile(shard: Shard, target: Target): boolean {
  const { maxRequestsPerFile, maxFileBytes } = target.service.dialect;
  return shard.requests <= maxRequestsPerFile && shard.bytes <= maxFileBytes;
}

/** File slots of the target's resource that this job has taken. */
async function filesOf(tx: Transaction, context: Context, target: Target): Promise<number> {
  const holds = await tx.openHolds();
  return holds.filter(
    (hold) => context.targets.get(hold.target)?.service.resource === target.service.resource,
  ).length;
}
