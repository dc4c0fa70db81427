import { ServiceError } from '../core/errors.ts';
import type { Shard } from '../core/job.ts';
import type { Transaction } from '../core/store.ts';
import { type Context, log } from './context.ts';

/**
 * What the service does not show although it said so before: a file that is not there yet, a batch
 * that a list and its own id no longer give, answers that cannot be fetched.
 */
export type Missing = 'file_not_found' | 'file_pending' | 'batch_not_found' | 'answers_not_found';

/**
 * How long each is waited for, in polls: services show things late, and an outage must not be taken
 * for a loss, but no shard waits for ever for what was forgotten. It is looked for so many times at
 * the least: a clock that is set ahead makes no time pass.
 */
const PATIENCE: Readonly<Record<Missing, { readonly polls: number; readonly looks: number }>> = {
  file_not_found: { polls: 2, looks: 12 }, // twelve looks a poll
  file_pending: { polls: 30, looks: 30 },
  batch_not_found: { polls: 30, looks: 10 }, // half an hour at the default of 60 s
  answers_not_found: { polls: 10, looks: 5 },
};

/**
 * Notes on the shard since when something of it has been missing, and how often it was looked for, so
 * that the patience with it outlives a restart. Gives whether the patience is over, and the shard as
 * it stands then.
 */
export async function missed(
  tx: Transaction,
  context: Context,
  shard: Shard,
  what: Missing,
  detail: Readonly<Record<string, string>>,
): Promise<{ over: boolean; shard: Shard }> {
  const now = context.clock.now();
  const noted = notedOn(shard, what);
  const looks = (noted?.looks ?? 0) + 1;
  // A time ahead was written before the clock was set back.
  const since = Math.min(noted?.since ?? now, now);
  // Every file is pending for some seconds.
  if (noted === null && what !== 'file_pending') await log(tx, context, what, shard.name, detail);
  if (isPatienceOver(context, since, what) && looks >= PATIENCE[what].looks) {
    return { over: true, shard };
  }
  const note = `${what} ${looks} times since ${new Date(since).toISOString()}`;
  return { over: false, shard: await tx.moveShard(shard.name, shard.version, { note }) };
}

/** Whether so much time has passed since then that it would be given up. */
export function isPatienceOver(context: Context, since: number, what: Missing): boolean {
  return context.clock.now() - since >= PATIENCE[what].polls * context.settings.pollIntervalMs;
}

/** Whether it is noted as missing. */
export function isMissing(shard: Shard, what: Missing): boolean {
  return notedOn(shard, what) !== null;
}

/** The first release noted no number of looks. */
const NOTE = /^(?<what>\w+)(?: (?<looks>\d+) times)? since (?<since>.+)$/;

function notedOn(shard: Shard, what: Missing): { looks: number; since: number } | null {
  const { groups } = NOTE.exec(shard.note ?? '') ?? {};
  if (groups?.what !== what) return null;
  return { looks: Number(groups.looks ?? 1), since: Date.parse(groups.since ?? '') };
}

/** Whether the service says that what was asked for by its id is not there. */
export function isGone(error: unknown): boolean {
  return error instanceof ServiceError && (error.status === 404 || error.status === 410);
}
