import { ServiceError } from '../core/errors.ts';
import type { Shard } from '../core/job.ts';
import type { Transaction } from '../core/store.ts';
import { type Context, log } from './context.ts';

/**
 * What the service does not show although it said so before: a file that is not there yet, a batch
 * that a list and its own id no longer give, answers that cannot be fetched.
 */
export type Missing = 'file_not_found' | 'batch_not_found' | 'answers_not_found';

/**
 * How long each is waited for, in polls: services show things late, and an outage must not be taken
 * for a loss, but no shard waits for ever for what was forgotten.
 */
const PATIENCE_POLLS: Readonly<Record<Missing, number>> = {
  file_not_found: 2,
  batch_not_found: 30, // half an hour at the default of 60 s
  answers_not_found: 10,
};

/**
 * Notes on the shard since when something of it has been missing, so that the patience with it
 * outlives a restart. Gives whether the patience is over, and the shard as it stands then.
 */
export async function missed(
  tx: Transaction,
  context: Context,
  shard: Shard,
  what: Missing,
  detail: Readonly<Record<string, string>>,
): Promise<{ over: boolean; shard: Shard }> {
  const now = context.clock.now();
  const since = missingSince(shard, what);
  // A time ahead was written before the clock was set back.
  if (since === null || since > now) {
    await log(tx, context, what, shard.name, detail);
    const note = `${what} since ${new Date(now).toISOString()}`;
    return { over: false, shard: await tx.moveShard(shard.name, shard.version, { note }) };
  }
  return { over: isPatienceOver(context, since, what), shard };
}

/** Whether what has been missing since then is given up. */
export function isPatienceOver(context: Context, since: number, what: Missing): boolean {
  return context.clock.now() - since >= PATIENCE_POLLS[what] * context.settings.pollIntervalMs;
}

/** Since when it has been missing, ms, or null when it is not. */
export function missingSince(shard: Shard, what: Missing): number | null {
  const [code, at] = (shard.note ?? '').split(' since ');
  return code === what && at !== undefined ? Date.parse(at) : null;
}

/** Whether the service says that what was asked for by its id is not there. */
export function isGone(error: unknown): boolean {
  return error instanceof ServiceError && (error.status === 404 || error.status === 410);
}
