import type { BatchObject } from '../../core/batch.ts';
import { errorCode, MillraceError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type { Partition, ShardState } from '../../core/job.ts';
import type { BatchService } from '../../core/service.ts';
import type { Reader, Totals, Transaction } from '../../core/store.ts';
import { type Context, jobRow, log, type Step } from '../context.ts';
import { isGivenUp } from '../given-up.ts';
import { batchesSince, CLOCK_SKEW_MS, type Owner, ownersBy } from '../listing.ts';
import { deleteOrphans } from '../orphans.ts';
import { isBackAgain, stray } from './poll.ts';

const AT_REST: ReadonlySet<string> = new Set<ShardState>([
  'sealed',
  'waiting',
  'joined',
  'cleaned',
]);

/**
 * Ends the job once every record has its row, nothing is held, and nothing of it is left at the
 * service: looks for batches and files that a lost answer left there, and checks the accounts.
 */
export const finish: Step = async (context, task, signal) => {
  const end = await context.store.read((tx) => readiness(tx, context));
  if (end === 'not yet') {
    await context.store.transaction((tx) => tx.doneTask(task));
    return;
  }
  failpoint('finish.before');
  await inspect(context, signal);
  failpoint('finish.inspected');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    // The inspection may have found a batch, which then has to end first.
    if ((await readiness(tx, context)) !== end) return;
    const job = await jobRow(tx);
    const totals = await tx.totals();
    if (end === 'finished') checkAccounts(await tx.partitions(), totals);
    await tx.updateJob(job.version, { state: end, pause: null });
    await log(tx, context, end, 'job', { ok: totals.ok, failed: totals.failed });
  });
};

/** How the job may end now, if nothing of it is left at the service. */
async function readiness(
  tx: Reader,
  context: Context,
): Promise<'finished' | 'cancelled' | 'not yet'> {
  const { state } = await jobRow(tx);
  if (state !== 'running' && state !== 'cancelling') return 'not yet';
  const counts = await tx.countShards();
  // A file at a target that was not named again stays there; whatever else is at one is needed.
  const held = (await tx.openHolds()).filter(
    ({ target, releasedAt }) => releasedAt === null || context.targets.has(target),
  );
  if (held.length > 0 || (await tx.batches({ live: true })).length > 0) return 'not yet';
  if (state === 'cancelling') {
    return Object.keys(counts).every((shard) => AT_REST.has(shard)) ? 'cancelled' : 'not yet';
  }
  const { cleaned = 0 } = counts;
  const { shards } = await tx.totals();
  const leftover = await tx.shards({ leftover: true, limit: 1 });
  return cleaned === shards && leftover.length === 0 ? 'finished' : 'not yet';
}

/** A last look at each resource: strays are recorded and cancelled, orphaned files deleted. */
async function inspect(context: Context, signal: AbortSignal): Promise<void> {
  const services = new Map<string, BatchService>();
  const names = new Map<string, string>();
  for (const { name, service } of context.targets.values()) {
    services.set(service.resource, service);
    names.set(service.resource, name);
  }
  const { createdAt, owners } = await context.store.read(async (tx) => ({
    createdAt: (await jobRow(tx)).createdAt,
    owners: ownersBy(context, await tx.holds()),
  }));
  for (const [resource, service] of services) {
    const target = names.get(resource) ?? '';
    try {
      const list = service.listBatches(signal);
      for await (const batch of batchesSince(list, createdAt - CLOCK_SKEW_MS)) {
        const owner = owners(batch);
        if (owner === null) continue;
        await context.store.transaction((tx) => recordStray(tx, context, batch, owner, target));
      }
      await deleteOrphans(context, service, signal);
    } catch (error) {
      if (context.targets.size > 1) await askAgain(context, resource);
      await leaveOut(context, resource, error);
    }
  }
}

/** Asked by itself, a resource of several that stays away is known for one that is lost. */
function askAgain(context: Context, resource: string): Promise<void> {
  return context.store.transaction((tx) => tx.putTask('survey', resource, context.clock.now()));
}

/** A resource that is lost, or that refuses us, cannot be inspected: the log says so. */
async function leaveOut(context: Context, resource: string, error: unknown): Promise<void> {
  await context.store.transaction(async (tx) => {
    const rows = (await tx.targets()).filter(
      (row) => row.resource === resource && context.targets.has(row.name),
    );
    if (!rows.every((row) => isGivenUp(row, error))) throw error;
    await log(tx, context, 'not_inspected', resource, { code: errorCode(error) ?? '' });
  });
}

/** A batch that nobody waits for: one that a lost answer left, or one that was given up. */
async function recordStray(
  tx: Transaction,
  context: Context,
  batch: BatchObject,
  owner: Owner,
  target: string,
): Promise<void> {
  const known = await tx.batch(batch.id);
  if (known !== undefined && !isBackAgain(known, batch)) return;
  await stray(tx, context, batch, owner, target);
}

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
