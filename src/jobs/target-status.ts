import { TERMINAL_STATUSES } from '../core/batch.ts';
import type { TargetRow } from '../core/job.ts';
import type { Reader } from '../core/store.ts';
import { hardLimit } from './quota.ts';

/** Where a job stands with one of its targets, from its store alone. */
export interface TargetStatus {
  readonly name: string;
  /** The address that its calls go to, without its secrets. */
  readonly resource: string;
  /** Written as `model` into its lines; null where the job's own is kept. */
  readonly deployment: string | null;
  /** What its calls are authorised by. Never a secret. */
  readonly credential: string | null;
  /** `failing`: its calls do not go well; others take its shards after a while, if there are any. */
  readonly state: 'open' | 'failing' | 'drained';
  /** Why it is drained, or null. */
  readonly reason: string | null;
  /** Batches of ours that are under way. */
  readonly batches: number;
  /** As the service counts them. */
  readonly tokens: {
    readonly held: number;
    /** The quota that was given, stated by the service or probed; null when none is known. */
    readonly limit: number | null;
    /** What refusals taught, or null. */
    readonly learned: number | null;
    /** What others seem to have. */
    readonly others: number;
  };
  /** Input files on the resource. */
  readonly files: { readonly ours: number; readonly others: number; readonly most: number };
}

/** The targets of the job's last run, those before it where something of theirs is open, by name. */
export async function targetStatuses(tx: Reader): Promise<TargetStatus[]> {
  const holds = await tx.openHolds();
  const live = (await tx.batches({ live: true })).filter(
    ({ status }) => !TERMINAL_STATUSES.has(status),
  );
  const statuses: TargetStatus[] = [];
  for (const row of await tx.targets()) {
    const limit = hardLimit(row);
    statuses.push({
      name: row.name,
      resource: row.resource,
      deployment: row.deployment,
      credential: row.credential,
      state: stateOf(row),
      reason: row.drained,
      batches: live.filter(({ target }) => target === row.name).length,
      tokens: {
        held: await tx.heldTokens(row.name),
        limit: Number.isFinite(limit) ? limit : null,
        learned: row.learnedLimit,
        // A directory of an earlier release, which is only read, has none of these columns.
        others: row.othersTokens ?? 0,
      },
      files: {
        ours: holds.filter(({ target }) => target === row.name).length,
        others: row.othersFiles ?? 0,
        most: row.maxFiles ?? 0,
      },
    });
  }
  return statuses;
}

function stateOf({ drained, failingSince }: TargetRow): TargetStatus['state'] {
  if (drained !== null) return 'drained';
  return failingSince === null ? 'open' : 'failing';
}
