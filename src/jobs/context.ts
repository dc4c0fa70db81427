import type { Clock, Random } from '../core/clock.ts';
import { MillraceError } from '../core/errors.ts';
import type { Shard, TargetRow, Task } from '../core/job.ts';
import { RETRY_AFTER_CAP_MS } from '../core/retry.ts';
import type { Target } from '../core/service.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import type { JobRow, Reader, Store, Transaction } from '../core/store.ts';
import { DEFAULT_TIMEOUT_MS } from '../service/deadline.ts';
import type { JobDirectory } from './directory.ts';

/** What may change from one run of a job to the next. Times in ms. */
export interface Settings {
  /** Between two list calls of a resource; every wait but the grace scales with it. Default 60 s. */
  readonly pollIntervalMs: number;
  /** How long a batch whose create was not answered is looked for, before another. Default 180 s. */
  readonly submitGraceMs: number;
  /** Tries of one row, the first included. Default 3. */
  readonly maxAttempts: number;
  /** Nothing more is sent once this much would be spent, in the price table's currency. Default null: no limit. */
  readonly maxCost: number | null;
  /** Do not wait to be resumed once the sample of a job is answered. */
  readonly sampleGoesOn: boolean;
  /** Try more enqueued tokens than the quota that was given, up to four times as many. */
  readonly dynamicQuota: boolean;
  /** Keep every local file, whether or not it is needed any more. */
  readonly keep: boolean;
  /** Whether an answer without a usable output is tried again, as far as `maxAttempts` allows. */
  readonly retryMismatch: boolean;
  /** Checks the outputs further than the JSON Schema that the requests carry. */
  readonly schema: StandardSchema | null;
}

export const DEFAULT_SETTINGS: Settings = {
  pollIntervalMs: 60 * 1000, // 60 s, the service's own advice
  submitGraceMs: Math.max(120 * 1000, 3 * DEFAULT_TIMEOUT_MS), // 120 s or more
  maxAttempts: 3,
  maxCost: null,
  sampleGoesOn: false,
  dynamicQuota: false,
  keep: false,
  retryMismatch: false,
  schema: null,
};

/** What a step needs of the world. */
export interface Context {
  readonly job: Pick<JobRow, 'name' | 'uid'>;
  readonly directory: JobDirectory;
  readonly store: Store;
  readonly targets: ReadonlyMap<string, Target>;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings;
}

/**
 * One step of one task: at most one effect outside, then one transaction that holds the change of
 * state, the tasks that follow from it, and the end of this task. A step that is run again, or too
 * late, does nothing.
 */
export type Step = (context: Context, task: Task, signal: AbortSignal) => Promise<void>;

/** The target of that name; a job is resumed with every target that its live shards are bound to. */
export function targetNamed(context: Context, name: string | null): Target {
  const target = name === null ? undefined : context.targets.get(name);
  if (target !== undefined) return target;
  throw new MillraceError(
    'unknown_target',
    `shards of this job are bound to the target "${name}", which was not given: name it again`,
  );
}

/** The service of a resource, whichever target stands for it. */
export function targetsOf(context: Context, resource: string): Target[] {
  return [...context.targets.values()].filter(({ service }) => service.resource === resource);
}

/** The job's row, which openJob made. */
export async function jobRow(tx: Reader): Promise<JobRow> {
  const job = await tx.job();
  if (job === undefined) throw new MillraceError('no_job', 'this directory holds no job');
  return job;
}

/** Whether anything new may be granted. */
export function maySend(job: JobRow): boolean {
  return job.state === 'preparing' || job.state === 'running';
}

/**
 * Whether an attempt that was granted still goes out. A pause lets it: it was within the budget when
 * it was granted. A cancel does not, nor a target that takes no more, or rests while another works.
 */
export async function mayGoOut(
  tx: Reader,
  context: Context,
  job: JobRow,
  shard: Shard,
): Promise<boolean> {
  if (!maySend(job) && job.state !== 'paused') return false;
  const rows = await tx.targets();
  const target = rows.find(({ name }) => name === shard.target);
  if (target === undefined || target.drained !== null) return false;
  const rests = waitUntil(context, target.restUntil) > 0;
  return !rests || !isHealthyElsewhere(rows, target.name, context);
}

/** Whether another target of this run takes shards and answers. */
export function isHealthyElsewhere(
  rows: readonly TargetRow[],
  name: string,
  context: Pick<Context, 'targets'>,
): boolean {
  return rows.some(
    (row) =>
      row.name !== name &&
      context.targets.has(row.name) &&
      row.drained === null &&
      row.failingSince === null,
  );
}

/** Tokens of a shard as the target's service counts them. */
export function heldTokensOf(shard: Shard, target: Target): number {
  return Math.ceil(shard.tokens * target.service.dialect.enqueuedTokenFactor);
}

/** A line of the job's log: ids, codes and numbers only. */
export async function log(
  tx: Transaction,
  context: Pick<Context, 'clock'>,
  type: string,
  subject: string,
  detail: Readonly<Record<string, string | number | boolean | null>> = {},
): Promise<void> {
  await tx.appendEvent({ at: context.clock.now(), type, subject, detail });
}

/** Nothing of ours is put off for longer: what lies further ahead was put off by another clock. */
const LONGEST_WAIT_MS = 2 * RETRY_AFTER_CAP_MS;

/**
 * Milliseconds until a time of the store's has come, at least 0. A time too far ahead to be ours was
 * written before the clock was set back, and has come.
 */
export function waitUntil(
  { clock, settings }: Pick<Context, 'clock' | 'settings'>,
  at: number,
): number {
  const ahead = at - clock.now();
  const longest = Math.max(LONGEST_WAIT_MS, 3 * settings.pollIntervalMs);
  return ahead > longest ? 0 : Math.max(0, ahead);
}
