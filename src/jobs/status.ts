import type { JobState, ShardState } from '../core/job.ts';
import type { Reader } from '../core/store.ts';
import { jobRow } from './context.ts';
import { type Cost, costOf } from './cost.ts';
import { readSample, type SampleStatus } from './sample.ts';
import { type TargetStatus, targetStatuses } from './target-status.ts';

/** What `millrace status --json` prints. */
export interface JobStatus {
  /** Its name. */
  readonly job: string;
  /** A job that was stopped keeps its state. */
  readonly state: JobState;
  /** Read so far: the sum of the four below. */
  readonly records: number;
  readonly ok: number;
  readonly failed: number;
  readonly rejected: number;
  readonly pending: number;
  /** How many there are in each state. */
  readonly shards: Partial<Record<ShardState, number>>;
  /** Input tokens; `enqueued` as the service counts them. */
  readonly tokens: {
    readonly estimated: number;
    readonly actual: number;
    /** Of `actual`: those that the service had cached. */
    readonly cached: number;
    readonly enqueued: number;
    readonly output: number;
    /** Of `output`: those of reasoning. */
    readonly reasoning: number;
    /** Of shards that were answered whole: what was counted beside what the service reports. */
    readonly measured: { readonly estimated: number; readonly actual: number };
  };
  readonly cost: Cost;
  /** What the records that went first came to; null when none did. */
  readonly sample: SampleStatus | null;
  /** Where the batches go, and how each of them stands. */
  readonly targets: readonly TargetStatus[];
  /** How often shards were sent, or about to be. */
  readonly attempts: number;
  readonly batches: number;
  /** Batches made twice by a lost answer, found and cancelled. */
  readonly duplicate_submissions: number;
  /** Why it is paused, or null. */
  readonly pause: string | null;
}

/** Where a job stands, from its store alone. */
export async function readStatus(tx: Reader): Promise<JobStatus> {
  const job = await jobRow(tx);
  const totals = await tx.totals();
  const partitions = await tx.partitions();
  const records = partitions.reduce(
    (sum, partition) => sum + (partition.records ?? partition.progress.records),
    0,
  );
  const targets = await targetStatuses(tx);
  const enqueued = targets.reduce((sum, { tokens }) => sum + tokens.held, 0);
  return {
    job: job.name,
    state: job.state,
    records,
    ok: totals.ok,
    failed: totals.failed,
    rejected: totals.rejected,
    pending: records - totals.ok - totals.failed - totals.rejected,
    shards: await tx.countShards(),
    tokens: {
      estimated: totals.tokens,
      actual: totals.inputTokens,
      cached: totals.cachedInputTokens,
      enqueued,
      output: totals.outputTokens,
      reasoning: totals.reasoningTokens,
      measured: { estimated: totals.measuredEstimate, actual: totals.measuredTokens },
    },
    cost: costOf(job.spec.request, totals),
    sample: await readSample(tx, job, totals),
    targets,
    attempts: totals.attempts,
    batches: totals.batches,
    duplicate_submissions: totals.duplicateSubmissions,
    pause: job.pause,
  };
}
