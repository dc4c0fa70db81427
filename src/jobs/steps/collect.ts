import { failpoint } from '../../core/failpoints.ts';
import type { BatchRow, RequestSpec, Shard } from '../../core/job.ts';
import type { RowError } from '../../core/record.ts';
import type { Transaction } from '../../core/store.ts';
import { type JoinSummary, joinShard } from '../../join/join-shard.ts';
import type { OrdinalRange } from '../../join/ordinal-ids.ts';
import { drain } from '../attempts.ts';
import { fetchAnswers, withLateIds } from '../batch-answers.ts';
import { type Context, jobRow, log, type Step, targetNamed } from '../context.ts';
import { shardCost } from '../cost.ts';
import { isMissing, missed } from '../missing.ts';
import { outputReaderOf } from '../output-reader.ts';
import { rememberedRequest } from '../request.ts';

/** Rows of a shard smaller than this are written out when they are joined. */
const DEFER_FROM_BYTES = 1024 * 1024; // 1 MiB

/** Batches failed with these say that the target is wrong, not the rows. */
const TARGET_CODES: ReadonlySet<string> = new Set([
  'model_not_found',
  'invalid_deployment_type',
  'DeploymentNotFound',
  'target_lost',
  'input_no_permissions',
]);

/**
 * Reads both files of an ended batch, whatever its end was, and joins them to the shard's records:
 * what was paid for is kept, and only the rest is left over for a further attempt.
 */
export const collect: Step = async (context, task, signal) => {
  const begun = await context.store.transaction(async (tx) => {
    const shard = await tx.shard(task.id);
    const batch = shard?.batchId ? await tx.batch(shard.batchId) : undefined;
    const { name, rounds, spec, state } = await jobRow(tx);
    const cancelled = state === 'cancelling' && batch?.status === 'cancelled';
    const ordinals = shard && ordinalsOf(shard, name, spec.request);
    if (shard?.state === 'ended' && batch !== undefined) {
      const moved = await tx.moveShard(shard.name, shard.version, { state: 'collecting' });
      return { shard: moved, batch, rounds, ordinals, cancelled };
    }
    if (shard?.state === 'collecting' && batch !== undefined)
      return { shard, batch, rounds, ordinals, cancelled };
    await tx.doneTask(task);
    return null;
  });
  if (begun === null) return;
  const { rounds } = begun;
  const target = targetNamed(context, begun.shard.target);
  const batch = isMissing(begun.shard, 'answers_not_found')
    ? await withLateIds(context, target.service, begun.batch, signal)
    : begun.batch;
  failpoint('collect.before');
  const { trouble, ...answers } = await fetchAnswers(
    context,
    target.service,
    begun.shard,
    batch,
    signal,
  );
  const shard =
    trouble === null ? begun.shard : await settle(context, task, begun.shard, batch, trouble);
  if (shard === null) return;
  failpoint('collect.fetched');
  const verdict = verdictOf(batch);
  const summary = await joinShard({
    directory: context.directory.path,
    name: shard.name,
    batch: batch.id,
    answers,
    maxAttempts: context.settings.maxAttempts * (rounds + 1),
    at: new Date(context.clock.now()).toISOString(),
    lineErrors: verdict.lineErrors,
    chargeAttempt: verdict.chargeAttempt && !begun.cancelled,
    readOutput: await outputReaderOf(context),
    retryMismatch: context.settings.retryMismatch,
    ordinals: begun.ordinals,
    ...(defers(shard, context.settings.keep) ? { deferFrom: DEFER_FROM_BYTES } : {}),
  });
  failpoint('collect.joined');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (verdict.targetError !== null) await drain(tx, context, target, verdict.targetError);
    await joined(tx, context, shard, summary);
    await tx.putTask('sweep', target.service.resource, context.clock.now());
  });
};

/**
 * Whether its ok rows may stay in the downloads until the output is written. Rows of retry shards lie
 * all over the output, where a file of their own is cheaper to hold open.
 */
function defers({ partition }: Shard, keep: boolean): boolean {
  return partition !== null && !keep;
}

/**
 * What the shard's custom_ids are, if they are known to be the job's name and the ordinals without a
 * gap; functions, modules and ready-made requests may give others.
 */
function ordinalsOf(
  shard: Shard,
  job: string,
  request: RequestSpec | null,
): OrdinalRange | undefined {
  const definition = rememberedRequest(request);
  const plain = definition?.kind === 'prompt' || definition?.kind === 'body';
  const { firstOrdinal: first, lastOrdinal, requests: rows } = shard;
  if (!plain || request?.idField !== null || lastOrdinal - first + 1 !== rows) return undefined;
  return { prefix: `${job}-`, first, rows };
}

/** Records what a join found; what is left over waits for a retry shard. */
export async function joined(
  tx: Transaction,
  context: Context,
  shard: Shard,
  summary: JoinSummary,
): Promise<void> {
  const now = context.clock.now();
  await tx.moveShard(shard.name, shard.version, {
    state: 'joined',
    ok: summary.ok,
    failed: summary.failed,
    leftover: summary.leftover,
    usage: summary.usage,
    note: null,
    joinedSeq: (await tx.lastJoinedSeq()) + 1,
  });
  const { unknown, duplicate, malformed } = summary.anomalies;
  if (unknown + duplicate + malformed > 0) {
    await log(tx, context, 'anomalies', shard.name, { unknown, duplicate, malformed });
  }
  await log(tx, context, 'joined', shard.name, {
    ok: summary.ok,
    failed: summary.failed,
    leftover: summary.leftover,
    cost: shardCost((await jobRow(tx)).spec.request, { ...shard, usage: summary.usage }),
  });
  // What the answers cost may let others go, or end a sample.
  for (const name of context.targets.keys()) await tx.putTask('grant', name, now);
  for (const [code, rows] of Object.entries(summary.failedCodes)) {
    await log(tx, context, 'rows_failed', shard.name, { code, rows });
  }
  // Left-over rows may have waited for this shard: `retry` makes few large files.
  await tx.putTask('retry', 'job', now);
  await tx.putTask('clean', shard.name, now);
  await tx.putTask('finish', 'job', now);
}

/** What a batch that failed as a whole says of its rows. */
function verdictOf(batch: BatchRow): {
  lineErrors: ReadonlyMap<number, RowError>;
  chargeAttempt: boolean;
  targetError: string | null;
} {
  const lineErrors = new Map<number, RowError>();
  let targetError: string | null = null;
  let full = false;
  for (const { code, message, line } of batch.status === 'failed' ? batch.errors : []) {
    if (code === 'token_limit_exceeded') full = true;
    else if (TARGET_CODES.has(code)) targetError ??= `${code}: ${message}`;
    else if (line !== null) lineErrors.set(line, { code, message });
  }
  const named = full || targetError !== null || lineErrors.size > 0;
  return { lineErrors, chargeAttempt: !named, targetError };
}

/**
 * Answers that are not there yet, or not whole, are asked for again for some polls; then what there
 * is has to do, and the log says so. Gives whether to go on.
 */
async function settle(
  context: Context,
  task: Parameters<Step>[1],
  shard: Shard,
  batch: BatchRow,
  trouble: string,
): Promise<Shard | null> {
  return context.store.transaction(async (tx) => {
    const detail = { batch: batch.id, trouble };
    const waited = await missed(tx, context, shard, 'answers_not_found', detail);
    if (waited.over) {
      await log(tx, context, 'answers_incomplete', shard.name, detail);
      return waited.shard;
    }
    await tx.doneTask(task);
    const { pollIntervalMs } = context.settings;
    await tx.putTask('collect', shard.name, context.clock.now() + pollIntervalMs);
    return null;
  });
}
