import type { TargetRow } from '../core/job.ts';
import type { Target } from '../core/service.ts';
import type { Transaction } from '../core/store.ts';

/** Others are believed to have at most this part of a quota: beyond it, a refusal tells. */
const MOST_OF_OTHERS = 1 / 2;

/** The headers count characters rather than tokens: up to this factor, what they count is ours. */
const HEADER_FACTOR = 1.5;

/** `--dynamic-quota` goes up to this many times the quota that was given or stated. */
const MOST_PROBED = 4;
/** By how much it goes up with each batch that ends while others wait. */
const PROBE_STEP = 1.25;

/** What a batch may have at most: what was said by the user and by the service, or probed beyond. */
export function hardLimit(row: TargetRow): number {
  const said = Math.min(row.limit ?? Infinity, row.statedLimit ?? Infinity);
  return row.probedLimit === null ? said : Math.max(said, row.probedLimit);
}

/** Tokens that this job may hold on the target now. */
export function limitNow(row: TargetRow): number {
  const hard = hardLimit(row);
  const others = Number.isFinite(hard) ? Math.min(row.othersTokens, hard * MOST_OF_OTHERS) : 0;
  // What was learned was learned beside the others: it is what was left.
  return Math.min(hard - others, row.learnedLimit ?? Infinity);
}

/** Goes one step beyond the quota, within bounds; a refusal takes it back. */
export async function probe(tx: Transaction, row: TargetRow): Promise<void> {
  const said = Math.min(row.limit ?? Infinity, row.statedLimit ?? Infinity);
  if (!Number.isFinite(said) || row.learnedLimit !== null) return;
  const next = Math.min(said * MOST_PROBED, (row.probedLimit ?? said) * PROBE_STEP);
  await tx.updateTarget(row.name, row.version, { probedLimit: Math.floor(next) });
}

/** What the headers of a create tell of the deployment's queue, ours included. */
export async function readQueue(
  tx: Transaction,
  target: Target,
  reading: { enqueuedTokens: number | null; maximumEnqueuedTokens: number | null },
): Promise<void> {
  const { enqueuedTokens, maximumEnqueuedTokens } = reading;
  if (enqueuedTokens === null && maximumEnqueuedTokens === null) return;
  const row = (await tx.targets()).find(({ name }) => name === target.name);
  if (row === undefined) return;
  const held = await tx.heldTokens(target.name);
  await tx.updateTarget(target.name, row.version, {
    // A deployment that admits nothing has just admitted a batch: zero is no statement.
    ...(maximumEnqueuedTokens ? { statedLimit: maximumEnqueuedTokens } : {}),
    ...(enqueuedTokens === null
      ? {}
      : { othersTokens: Math.max(0, Math.round(enqueuedTokens - held * HEADER_FACTOR)) }),
  });
}
