import { rm } from 'node:fs/promises';
import { errorCode, ServiceError } from '../../core/errors.ts';
import type { BatchRow, Shard } from '../../core/job.ts';
import type { RowError } from '../../core/record.ts';
import type { BatchService } from '../../core/service.ts';
import type { Transaction } from '../../core/store.ts';
import { type JoinSummary, joinShard } from '../../join/join-shard.ts';
import { AtomicFile } from '../../streams/files.ts';
import { drain } from '../attempts.ts';
import { type Context, jobRow, log, type Step, targetNamed } from '../context.ts';

/** How often a download that was cut goes on before the step is given back to the driver. */
const MOST_CUTS = 20;

/** Batches failed with these say that the target is wrong, not the rows. */
const TARGET_CODES: ReadonlySet<string> = new Set([
  'model_not_found',
  'invalid_deployment_type',
  'DeploymentNotFound',
]);

/**
 * Reads both files of an ended batch, whatever its end was, and joins them to the shard's records:
 * what was paid for is kept, and only the rest is left over for a further attempt.
 */
export const collect: Step = async (context, task, signal) => {
  const begun = await context.store.transaction(async (tx) => {
    const shard = await tx.shard(task.id);
    const batch = shard?.batchId ? await tx.batch(shard.batchId) : undefined;
    const { rounds } = await jobRow(tx);
    if (shard?.state === 'ended' && batch !== undefined) {
      const moved = await tx.moveShard(shard.name, shard.version, { state: 'collecting' });
      return { shard: moved, batch, rounds };
    }
    if (shard?.state === 'collecting' && batch !== undefined) return { shard, batch, rounds };
    await tx.doneTask(task);
    return null;
  });
  if (begun === null) return;
  const { shard, batch, rounds } = begun;
  const target = targetNamed(context, shard.target);
  const answers = {
    output: await download(context, target.service, shard, batch, 'output', signal),
    error: await download(context, target.service, shard, batch, 'error', signal),
  };
  const verdict = verdictOf(batch);
  const summary = await joinShard({
    directory: context.directory.path,
    name: shard.name,
    batch: batch.id,
    answers,
    maxAttempts: context.settings.maxAttempts * (rounds + 1),
    at: new Date(context.clock.now()).toISOString(),
    lineErrors: verdict.lineErrors,
    chargeAttempt: verdict.chargeAttempt,
  });
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (verdict.targetError !== null) await drain(tx, context, target, verdict.targetError);
    await joined(tx, context, shard, summary);
    await tx.putTask('sweep', target.service.resource, context.clock.now());
  });
};

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
  });
  if (summary.leftover > 0) await tx.putTask('retry', 'job', now);
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
  for (const { code, message, line } of batch.status === 'failed' ? batch.errors : []) {
    if (TARGET_CODES.has(code)) targetError ??= `${code}: ${message}`;
    else if (line !== null) lineErrors.set(line, { code, message });
  }
  const named = targetError !== null || lineErrors.size > 0;
  return { lineErrors, chargeAttempt: !named, targetError };
}

/** The file on disk, whole; null when the service has none, or has it no more. */
async function download(
  context: Context,
  service: BatchService,
  shard: Shard,
  batch: BatchRow,
  which: 'output' | 'error',
  signal: AbortSignal,
): Promise<string | null> {
  const id = which === 'output' ? batch.outputFileId : batch.errorFileId;
  if (id === null) return null;
  const path = context.directory.download(shard.name, which);
  let file = await AtomicFile.create(path);
  try {
    for (let cuts = 0; ; cuts++) {
      try {
        const { body, offset } = await service.downloadFile(id, file.bytes, signal);
        if (offset !== file.bytes) {
          await file.discard();
          file = await AtomicFile.create(path);
        }
        for await (const block of body) await file.write(block);
        break;
      } catch (error) {
        if (errorCode(error) !== 'download_cut' || cuts >= MOST_CUTS) throw error;
      }
    }
    await file.commit();
    return path;
  } catch (error) {
    await file.discard();
    if (!(error instanceof ServiceError) || error.status !== 404) throw error;
    await rm(path, { force: true });
    await context.store.transaction((tx) =>
      log(tx, context, 'file_not_found', shard.name, { file: id, batch: batch.id }),
    );
    return null;
  }
}
