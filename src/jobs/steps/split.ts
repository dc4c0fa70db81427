import { failpoint } from '../../core/failpoints.ts';
import { joinShard } from '../../join/join-shard.ts';
import { halveShard } from '../../shards/retry.ts';
import { createTokenCounter } from '../../tokens/counter.ts';
import { jobRow, log, type Step } from '../context.ts';
import { tableOf } from '../model-table.ts';
import { mustBeFree, nextRetryNumber, retryName, retryOrder } from '../retry-names.ts';
import { joined } from './collect.ts';

const TOO_LARGE = {
  code: 'token_limit_exceeded',
  message: 'the deployment refuses this request even when nothing else is queued',
};

/**
 * Replaces a shard that the quota can never admit by two halves; a single record that is refused
 * alone is a failed row.
 */
export const split: Step = async (context, task) => {
  const { shard, number, request } = await context.store.read(async (tx) => ({
    shard: await tx.shard(task.id),
    number: await nextRetryNumber(tx),
    request: (await jobRow(tx)).spec.request,
  }));
  if (shard === undefined || (shard.state !== 'waiting' && shard.state !== 'sealed')) {
    await context.store.transaction((tx) => tx.doneTask(task));
    return;
  }
  if (shard.requests === 1) {
    const summary = await joinShard({
      directory: context.directory.path,
      name: shard.name,
      batch: shard.batchId ?? '',
      answers: { output: null, error: null },
      maxAttempts: context.settings.maxAttempts,
      at: new Date(context.clock.now()).toISOString(),
      lineErrors: new Map([[1, TOO_LARGE]]),
      chargeAttempt: false,
    });
    await context.store.transaction(async (tx) => {
      await tx.doneTask(task);
      await joined(tx, context, shard, summary);
    });
    return;
  }
  failpoint('split.before');
  const halves = await halveShard(
    context.directory.path,
    shard,
    [retryName(number), retryName(number + 1)],
    await createTokenCounter(request?.baseModel ?? '', { table: tableOf(request) }),
  );
  failpoint('split.sealed');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const now = context.clock.now();
    await mustBeFree(tx, halves);
    for (const [index, half] of halves.entries()) {
      await tx.insertShard(half, retryOrder(number + index));
    }
    await tx.moveShard(shard.name, shard.version, { state: 'joined', note: 'split' });
    await tx.putTask('clean', shard.name, now);
    for (const name of context.targets.keys()) await tx.putTask('grant', name, now);
    await log(tx, context, 'split', shard.name, { requests: shard.requests });
  });
};
