import { failpoint } from '../../core/failpoints.ts';
import type { Shard } from '../../core/job.ts';
import { dropFailed } from '../../join/drop-failed.ts';
import { regroupLeftovers } from '../../shards/retry.ts';
import { createTokenCounter } from '../../tokens/counter.ts';
import { type Context, jobRow, log, maySend, type Step } from '../context.ts';
import { tableOf } from '../model-table.ts';
import { REOPENING } from '../reopen.ts';
import { mustBeFree, nextRetryNumber, retryName, retryOrder } from '../retry-names.ts';

/**
 * Puts left-over rows into retry shards: as soon as nothing else waits for the quota, or there are
 * enough of them to fill a file, so that retries make few large files too.
 */
export const retry: Step = async (context, task, signal) => {
  const reopening = await context.store.read(async (tx) =>
    (await tx.shards({ states: ['joined'] })).filter(({ note }) => note === REOPENING),
  );
  // The failed rows take the place of those that were left over: these have to be sealed before.
  const reopened = reopening.find(({ leftover }) => leftover === 0);
  if (reopened !== undefined) return reopen(context, task, reopened);
  const plan = await context.store.read(async (tx) => {
    const job = await jobRow(tx);
    const inputs = await tx.shards({ leftover: true });
    const rows = inputs.reduce((sum, { leftover }) => sum + leftover, 0);
    const idle = (await tx.shards({ states: ['sealed', 'waiting'], limit: 1 })).length === 0;
    if (rows === 0 || !maySend(job)) return null;
    if (!idle && reopening.length === 0 && rows < job.spec.limits.maxRequests) return null;
    return { job, inputs, number: await nextRetryNumber(tx) };
  });
  if (plan === null) {
    await context.store.transaction((tx) => tx.doneTask(task));
    return;
  }
  let number = plan.number;
  failpoint('retry.before');
  const sealed = await regroupLeftovers(
    plan.inputs.map(({ name }) => name),
    {
      directory: context.directory.path,
      limits: plan.job.spec.limits,
      counter: await createTokenCounter(plan.job.spec.request?.baseModel ?? '', {
        table: tableOf(plan.job.spec.request),
      }),
      nextName: () => retryName(number++),
    },
    signal,
  );
  failpoint('retry.sealed');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const now = context.clock.now();
    await mustBeFree(tx, sealed);
    for (const [index, shard] of sealed.entries()) {
      await tx.insertShard(shard, retryOrder(plan.number + index));
    }
    for (const { name, version } of plan.inputs) {
      await tx.moveShard(name, version, { leftover: 0 });
      await tx.putTask('clean', name, now);
    }
    for (const name of context.targets.keys()) await tx.putTask('grant', name, now);
    if (reopening.length > 0) await tx.putTask('retry', 'job', now);
    await log(tx, context, 'retrying', 'job', {
      shards: sealed.length,
      rows: sealed.reduce((sum, { requests }) => sum + requests, 0),
    });
  });
};

/** One shard's failed rows are left over again; the next step looks for more such shards. */
async function reopen(context: Context, task: Parameters<Step>[1], shard: Shard): Promise<void> {
  const { dropped } = await dropFailed(context.directory.path, shard.name);
  failpoint('retry.reopened');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const now = context.clock.now();
    await tx.moveShard(shard.name, shard.version, { failed: 0, leftover: dropped, note: null });
    await tx.putTask('clean', shard.name, now);
    await tx.putTask('retry', 'job', now);
  });
}
