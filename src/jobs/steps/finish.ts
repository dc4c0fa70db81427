import { MillraceError } from '../../core/errors.ts';
import type { Partition, ShardState } from '../../core/job.ts';
import type { Totals } from '../../core/store.ts';
import { jobRow, log, type Step } from '../context.ts';

const AT_REST: ReadonlySet<string> = new Set<ShardState>([
  'sealed',
  'waiting',
  'joined',
  'cleaned',
]);

/** Ends the job once every record has its row, and the accounts say so. */
export const finish: Step = async (context, task) => {
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const job = await jobRow(tx);
    const counts = await tx.countShards();
    if (job.state === 'cancelling') {
      if (!Object.keys(counts).every((state) => AT_REST.has(state))) return;
      await tx.updateJob(job.version, { state: 'cancelled' });
      await log(tx, context, 'cancelled', 'job');
      return;
    }
    if (job.state !== 'running') return;
    const { cleaned = 0 } = counts;
    const totals = await tx.totals();
    if (cleaned < totals.shards || (await tx.shards({ leftover: true, limit: 1 })).length > 0)
      return;
    checkAccounts(await tx.partitions(), totals);
    await tx.updateJob(job.version, { state: 'finished', pause: null });
    await log(tx, context, 'finished', 'job', { ok: totals.ok, failed: totals.failed });
  });
};

/** records = ok + failed + rejected, or something was lost or invented. */
function checkAccounts(partitions: readonly Partition[], totals: Totals): void {
  const records = partitions.reduce((sum, { progress }) => sum + progress.records, 0);
  const rows = totals.ok + totals.failed + totals.rejected;
  if (records === rows) return;
  throw new MillraceError(
    'accounts',
    `${records} records were read, but ${totals.ok} ok + ${totals.failed} failed + ` +
      `${totals.rejected} rejected make ${rows}: keep the job directory and report this`,
  );
}
