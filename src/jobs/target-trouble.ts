import type { ServiceError } from '../core/errors.ts';
import type { Shard, TargetRow, Task, TaskKind } from '../core/job.ts';
import type { Reader, Transaction } from '../core/store.ts';
import { drain, putBack } from './attempts.ts';
import { type Context, isHealthyElsewhere, jobRow, log, targetsOf } from './context.ts';
import { LOST } from './given-up.ts';
import { lose } from './steps/poll.ts';

/** After so many polls of failures, and for so many, a target is left alone while others answer. */
const REST_POLLS = 10;
/** After so many, what runs at it is given up as lost and goes to the others. */
const LOST_POLLS = 30; // half an hour at the default of 60 s
/**
 * Tries in a row that each of them takes besides: after a machine has slept, much time has passed
 * since the first failure, and nothing was asked meanwhile.
 */
const REST_TRIES = 3;
const LOST_TRIES = 10;

const OF_SHARDS: ReadonlySet<TaskKind> = new Set(['upload', 'submit', 'collect']);
const OF_RESOURCES: ReadonlySet<TaskKind> = new Set(['poll', 'sweep', 'survey']);

/**
 * A call failed for a reason that may pass. A target that answers nothing for long, while another
 * one does, is left alone for a while: its waiting shards go there. One that stays away is lost:
 * what ran at it is sent to the others. A target alone is waited for, as long as it takes. `tries` is
 * how often in a row the task has failed by now.
 */
export async function noteFailure(
  tx: Transaction,
  context: Context,
  task: Task,
  error: ServiceError,
  tries: number,
): Promise<void> {
  // One that says "later" is there.
  if (error.status !== null && error.status < 500) return;
  const now = context.clock.now();
  for (const row of await rowsOf(tx, context, task)) {
    if (row.drained !== null) continue;
    const since = Math.min(row.failingSince ?? now, now);
    const polls = (now - since) / context.settings.pollIntervalMs;
    const elsewhere = isHealthyElsewhere(await tx.targets(), row.name, context);
    if (elsewhere && polls >= LOST_POLLS && tries >= LOST_TRIES) {
      await giveUp(tx, context, row, error);
      continue;
    }
    const rests = elsewhere && polls >= REST_POLLS && tries >= REST_TRIES && row.restUntil <= now;
    const restUntil = rests ? now + REST_POLLS * context.settings.pollIntervalMs : row.restUntil;
    if (since === row.failingSince && !rests) continue;
    await tx.updateTarget(row.name, row.version, { failingSince: since, restUntil });
    if (!rests) continue;
    await log(tx, context, 'resting', row.name, { code: error.code });
    for (const name of context.targets.keys()) await tx.putTask('grant', name, now);
  }
}

/** A call that had failed went well: the target is there again. */
export async function noteRecovery(tx: Transaction, context: Context, task: Task): Promise<void> {
  for (const row of await rowsOf(tx, context, task)) {
    if (row.failingSince === null) continue;
    await tx.updateTarget(row.name, row.version, { failingSince: null, restUntil: 0 });
    await tx.putTask('grant', row.name, context.clock.now());
  }
}

/**
 * A call was refused for good: the key, the role, the resource. The target takes no more in this run,
 * and its waiting shards go elsewhere. Gives whether there is work elsewhere to go on with; else the
 * failure ends the run.
 */
export async function passOver(
  tx: Transaction,
  context: Context,
  task: Task,
  error: ServiceError,
): Promise<boolean> {
  const rows = await rowsOf(tx, context, task);
  const names = new Set(rows.map(({ name }) => name));
  const others = [...context.targets.keys()].filter((name) => !names.has(name));
  if (rows.length === 0 || others.length === 0) return false;
  const all = await tx.targets();
  if (!all.some(({ name, drained }) => drained === null && others.includes(name))) return false;
  for (const { name, drained } of rows) {
    const target = context.targets.get(name);
    if (drained !== null || target === undefined) continue;
    await drain(tx, context, target, `${error.code}: ${error.message}`);
    for (const other of others) await tx.putTask('grant', other, context.clock.now());
  }
  const { state } = await jobRow(tx);
  return state === 'preparing' || isWorkElsewhere(await tx.shards(), names);
}

/** Ends what runs at a target that does not come back; its rows go to the others. */
async function giveUp(
  tx: Transaction,
  context: Context,
  row: TargetRow,
  error: ServiceError,
): Promise<void> {
  const target = context.targets.get(row.name);
  if (target === undefined) return;
  await drain(tx, context, target, `${LOST}: ${error.message}`);
  for (const batch of await tx.batches({ live: true })) {
    if (batch.target === row.name) await lose(tx, context, batch, LOST);
  }
  for (const shard of await tx.shards({ states: ['submitting'], target: row.name })) {
    await putBack(tx, context, shard, { code: LOST, readyAt: context.clock.now() });
  }
}

function isWorkElsewhere(shards: readonly Shard[], names: ReadonlySet<string>): boolean {
  return shards.some(({ state, target, leftover }) => {
    if (state === 'joined' || state === 'cleaned') return leftover > 0;
    return target === null || !names.has(target);
  });
}

/** The targets that a task calls. */
async function rowsOf(tx: Reader, context: Context, { kind, id }: Task): Promise<TargetRow[]> {
  const rows = await tx.targets();
  if (OF_RESOURCES.has(kind)) {
    const names = targetsOf(context, id).map(({ name }) => name);
    return rows.filter(({ name }) => names.includes(name));
  }
  if (!OF_SHARDS.has(kind)) return [];
  const target = (await tx.shard(id))?.target;
  return rows.filter(({ name }) => name === target);
}
