import { type BatchObject, TERMINAL_STATUSES } from '../../core/batch.ts';
import { MillraceError, ServiceError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type { BatchRow, Shard, ShardState } from '../../core/job.ts';
import type { BatchService, Target } from '../../core/service.ts';
import type { Transaction } from '../../core/store.ts';
import { backOff, recoverLimit } from '../attempts.ts';
import { type Context, jobRow, log, type Step, targetNamed, targetsOf } from '../context.ts';
import { LOST } from '../given-up.ts';
import { batchesSince, CLOCK_SKEW_MS, type Owner, type Owners, ownersBy } from '../listing.ts';
import { isGone, isMissing, isPatienceOver, missed } from '../missing.ts';

/** After this many polls without a new batch, polls are half as frequent. */
const YOUNG_POLLS = 30;

const IN_SERVICE: readonly ShardState[] = ['submitted', 'running', 'finalizing'];

/** What we say of a batch that nothing was heard of any more. */
const GIVEN_UP: ReadonlySet<string> = new Set([LOST, 'batch_not_found']);

/** One list call moves every shard of the resource; what it does not show is asked for by id. */
export const poll: Step = async (context, task, signal) => {
  const targets = targetsOf(context, task.id);
  const [first] = targets;
  if (first === undefined) {
    throw new MillraceError(
      'unknown_target',
      `batches of this job run at ${task.id}: name it again`,
    );
  }
  const names = new Set(targets.map(({ name }) => name));
  const { live, owners } = await context.store.read(async (tx) => ({
    live: (await tx.batches({ live: true })).filter(({ target }) => names.has(target)),
    owners: ownersBy(context, await tx.holds()),
  }));
  const { seen, unseen, unread, others } = await look(context, first.service, live, owners, signal);
  failpoint('poll.listed');
  await context.store.transaction(async (tx) => {
    // A wish that was put meanwhile is fulfilled too: every one is for a poll interval later, and is
    // put again below with what is live by now.
    const wish = (await tx.tasks()).find(({ kind, id }) => kind === 'poll' && id === task.id);
    await tx.doneTask(wish ?? task);
    for (const { batch, owner } of seen) await observe(tx, context, batch, owner, first.name);
    await countOthers(tx, targets, others);
    for (const id of unseen) await overlook(tx, context, id);
    for (const { id, code } of unread) await log(tx, context, 'batch_not_read', id, { code });
    const left = (await tx.batches({ live: true })).filter(({ target }) => names.has(target));
    // Tokens came back, of bound batches or of strays: somebody may wait for them.
    const still = new Set(left.map(({ id }) => id));
    if (live.some(({ id }) => !still.has(id))) {
      for (const name of names) await tx.putTask('grant', name, context.clock.now());
    }
    if (left.length > 0) await tx.putTask('poll', task.id, nextPoll(context, left));
    else await tx.putTask('finish', 'job', context.clock.now());
    const cancelling = (await jobRow(tx)).state === 'cancelling';
    if (left.some(({ bound, status }) => (cancelling || !bound) && status !== 'cancelling')) {
      await tx.putTask('sweep', task.id, context.clock.now());
    }
  });
};

/** A job whose batches have long been under way is asked about half as often. */
function nextPoll(context: Context, live: readonly BatchRow[]): number {
  const now = context.clock.now();
  const interval = context.settings.pollIntervalMs;
  const youngest = Math.max(...live.map(({ createdAt }) => createdAt));
  return now + (now - youngest > YOUNG_POLLS * interval ? 2 * interval : interval);
}

interface Seen {
  readonly batch: BatchObject;
  readonly owner: Owner | null;
}

/** A batch whose reading failed for a reason that may pass. */
interface Unread {
  readonly id: string;
  readonly code: string;
}

/**
 * Our batches as the service now shows them, the ones that are waited for and any other of ours. One
 * that cannot be read does not hold up those that can.
 */
async function look(
  context: Context,
  service: BatchService,
  live: readonly BatchRow[],
  owners: Owners,
  signal: AbortSignal,
): Promise<{ seen: Seen[]; unseen: string[]; unread: Unread[]; others: number }> {
  const wanted = new Set(live.map(({ id }) => id));
  const seen: Seen[] = [];
  let others = 0;
  if (live.length === 0) return { seen, unseen: [], unread: [], others };
  // A duplicate of a batch is at most a grace older than the one that is bound.
  const oldest = Math.min(...live.map(({ createdAt }) => createdAt));
  const since = oldest - context.settings.submitGraceMs - CLOCK_SKEW_MS;
  for await (const batch of batchesSince(service.listBatches(signal), since)) {
    const owner = owners(batch);
    if (wanted.delete(batch.id) || owner !== null) seen.push({ batch, owner });
    else if (!TERMINAL_STATUSES.has(batch.status)) others += batch.counts.total ?? 0;
  }
  const unseen: string[] = [];
  const unread: Unread[] = [];
  for (const id of wanted) {
    try {
      const batch = await service.getBatch(id, signal);
      seen.push({ batch, owner: owners(batch) });
    } catch (error) {
      if (isGone(error)) unseen.push(id);
      else if (seen.length > 0 && error instanceof ServiceError && error.retryable) {
        unread.push({ id, code: error.code });
      } else throw error;
    }
  }
  return { seen, unseen, unread, others };
}

/**
 * Live batches of others take quota too. A list shows their requests, not their tokens, and not
 * always their deployment: they are taken to be as large as ours, and to be where ours are. Headers
 * that tell of the deployment's own queue are better, and are kept.
 */
async function countOthers(
  tx: Transaction,
  targets: readonly Target[],
  requests: number,
): Promise<void> {
  const totals = await tx.totals();
  const mean = totals.requests === 0 ? 0 : totals.tokens / totals.requests;
  for (const { name, service } of targets) {
    const row = (await tx.targets()).find((one) => one.name === name);
    const othersTokens = Math.ceil(requests * mean * service.dialect.enqueuedTokenFactor);
    if (row === undefined || row.statedLimit !== null) continue;
    if (row.othersTokens === othersTokens) continue;
    await tx.updateTarget(name, row.version, { othersTokens });
  }
}

/**
 * The list does not show a batch and its id is not known: services show things late. When it stays
 * so, the batch is taken for failed without answers, so that its rows go on.
 */
async function overlook(tx: Transaction, context: Context, id: string): Promise<void> {
  const batch = await tx.batch(id);
  const shard = batch && (await tx.shard(batch.shard));
  if (batch === undefined || shard === undefined) return;
  const awaited = batch.bound && shard.batchId === id && IN_SERVICE.includes(shard.state);
  const waited = awaited
    ? await missed(tx, context, shard, 'batch_not_found', { batch: id })
    : { over: isPatienceOver(context, batch.createdAt, 'batch_not_found'), shard };
  if (waited.over) await lose(tx, context, batch, 'batch_not_found');
}

/** Takes a batch that nothing is heard of any more for failed without answers. */
export async function lose(
  tx: Transaction,
  context: Context,
  batch: BatchRow,
  code: string,
): Promise<void> {
  const message = 'the service knows it no more, or is not to be reached';
  const row: BatchRow = {
    ...batch,
    status: 'failed',
    endedAt: context.clock.now(),
    errors: [{ code, message, line: null, param: null }],
  };
  await tx.putBatch(row);
  const shard = await tx.shard(batch.shard);
  const awaited = batch.bound && shard?.batchId === batch.id && IN_SERVICE.includes(shard.state);
  if (awaited) await ended(tx, context, shard, row);
}

async function observe(
  tx: Transaction,
  context: Context,
  batch: BatchObject,
  owner: Owner | null,
  fallbackTarget: string,
): Promise<void> {
  const known = await tx.batch(batch.id);
  if (known === undefined || isBackAgain(known, batch)) {
    if (owner !== null) await stray(tx, context, batch, owner, fallbackTarget);
    return;
  }
  if (TERMINAL_STATUSES.has(known.status)) return;
  const row = { ...known, ...reading(context, batch) };
  await tx.putBatch(row);
  const shard = await tx.shard(known.shard);
  if (!known.bound || shard === undefined || shard.batchId !== batch.id) return;
  if (!IN_SERVICE.includes(shard.state)) return;
  if (!TERMINAL_STATUSES.has(batch.status)) {
    const state = progressOf(batch);
    const found = isMissing(shard, 'batch_not_found');
    if (state !== shard.state || found) {
      await tx.moveShard(shard.name, shard.version, { state, ...(found ? { note: null } : {}) });
    }
    return;
  }
  await ended(tx, context, shard, row);
}

function reading(context: Context, batch: BatchObject) {
  const terminal = TERMINAL_STATUSES.has(batch.status);
  return {
    status: batch.status,
    outputFileId: batch.outputFileId,
    errorFileId: batch.errorFileId,
    total: batch.counts.total,
    completed: batch.counts.completed,
    failed: batch.counts.failed,
    errors: batch.errors,
    endedAt: terminal ? (batch.endedAt ?? context.clock.now()) : null,
  };
}

/** Where a batch that is not over puts its shard. */
function progressOf(batch: BatchObject): ShardState {
  if (batch.status === 'finalizing') return 'finalizing';
  return batch.status === 'validating' ? 'submitted' : 'running';
}

/** The tokens come back now, and only now; the answers are collected whatever the end was. */
async function ended(
  tx: Transaction,
  context: Context,
  shard: Shard,
  batch: BatchRow,
): Promise<void> {
  const target = targetNamed(context, shard.target);
  const now = context.clock.now();
  await log(tx, context, batch.status, shard.name, {
    batch: batch.id,
    completed: batch.completed,
    failed: batch.failed,
  });
  // One that has answered some of its rows was admitted: those are paid for, and are collected.
  const refusal =
    batch.status === 'failed' && !batch.completed
      ? batch.errors.find(({ code }) => code === 'token_limit_exceeded')
      : undefined;
  if (refusal !== undefined) return backOff(tx, context, shard, target, refusal.message);
  await tx.updateHold(shard.name, shard.attempt, { releasedAt: now });
  await tx.moveShard(shard.name, shard.version, { state: 'ended', note: null });
  await tx.putTask('collect', shard.name, now);
  await recoverLimit(tx, target, context);
  for (const name of context.targets.keys()) await tx.putTask('grant', name, now);
}

/** Whether a batch that was given up as lost is there again, and alive: nobody waits for it any more. */
export function isBackAgain(known: BatchRow, batch: BatchObject): boolean {
  return (
    !TERMINAL_STATUSES.has(batch.status) && known.errors.some(({ code }) => GIVEN_UP.has(code))
  );
}

/**
 * A batch of ours that no attempt is bound to: the duplicate that a lost answer left, or one that was
 * given up and is there again. One that its attempt is still looking for is left to `submit`; any
 * other is counted, and charged and cancelled while it lives.
 */
export async function stray(
  tx: Transaction,
  context: Context,
  batch: BatchObject,
  owner: Owner,
  fallbackTarget: string,
): Promise<void> {
  const shard = await tx.shard(owner.shard);
  if (shard?.state === 'submitting' && shard.attempt === owner.attempt) return;
  const hold = await tx.hold(owner.shard, owner.attempt);
  const target = hold?.target ?? fallbackTarget;
  await tx.putBatch({
    id: batch.id,
    target,
    shard: owner.shard,
    attempt: owner.attempt,
    bound: false,
    createdAt: batch.createdAt ?? context.clock.now(),
    tokens: hold?.tokens ?? 0,
    ...reading(context, batch),
  });
  await tx.putTask('sweep', targetNamed(context, target).service.resource, context.clock.now());
  await log(tx, context, 'duplicate_submission', owner.shard, { batch: batch.id });
}
