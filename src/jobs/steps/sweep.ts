import { TERMINAL_STATUSES } from '../../core/batch.ts';
import { errorCode } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type { BatchRow, Hold } from '../../core/job.ts';
import type { BatchService, Target } from '../../core/service.ts';
import type { Reader } from '../../core/store.ts';
import { type Context, log, type Step, targetsOf } from '../context.ts';
import { isGivenUp } from '../given-up.ts';
import { refusalOf } from '../refusal.ts';

/**
 * Puts the resource in order, one thing a step: cancels live batches that no attempt is bound to,
 * and those of a job that is being cancelled; deletes input files whose attempt is closed, and
 * with them answers that lie in the user's own storage.
 */
export const sweep: Step = async (context, task, signal) => {
  const targets = targetsOf(context, task.id);
  const service = targets[0]?.service;
  const work = service === undefined ? null : await nextWork(context, targets);
  if (service === undefined || work === null) {
    await context.store.transaction(async (tx) => {
      await tx.doneTask(task);
      await tx.putTask('finish', 'job', context.clock.now());
    });
    return;
  }
  failpoint('sweep.before');
  const call =
    work.batch !== undefined
      ? service.cancelBatch(work.batch.id, signal)
      : deleteFiles(service, [...work.answers, work.fileId], signal);
  const refusal = await refusalOf(call).catch((error) => givenUp(context, targets, error));
  failpoint(work.batch === undefined ? 'sweep.deleted' : 'sweep.cancelled');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const now = context.clock.now();
    if (work.batch !== undefined) {
      const { id, shard } = work.batch;
      const batch = (await tx.batch(id)) ?? work.batch;
      // It may have ended, and been seen to end, while the service was asked.
      if (!TERMINAL_STATUSES.has(batch.status)) {
        await tx.putBatch({ ...batch, status: 'cancelling' });
      }
      await tx.putTask('poll', task.id, now + context.settings.pollIntervalMs);
      await log(tx, context, 'cancelling', shard, { batch: id, refused: refusal });
    } else {
      await tx.updateHold(work.hold.shard, work.hold.attempt, { fileGoneAt: now });
      // A shard may wait for the slot.
      for (const { name } of targets) await tx.putTask('grant', name, now);
      if (refusal !== null) {
        await log(tx, context, 'file_kept', work.hold.shard, { file: work.fileId, code: refusal });
      }
    }
    await tx.putTask('sweep', task.id, now);
  });
};

/** What cannot be put in order at a target that is lost, or that refuses us, stays as it is. */
async function givenUp(
  context: Context,
  targets: readonly Target[],
  error: unknown,
): Promise<string> {
  const rows = await context.store.read((tx) => tx.targets());
  const own = rows.filter(({ name }) => targets.some((target) => target.name === name));
  if (own.every((row) => isGivenUp(row, error))) return errorCode(error) ?? 'refused';
  throw error;
}

/** The input goes last: as long as its hold names it, the next sweep finds the rest. */
async function deleteFiles(
  service: BatchService,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const id of ids) await service.deleteFile(id, signal);
}

type Work =
  | { batch: BatchRow }
  | { batch?: undefined; hold: Hold; fileId: string; answers: readonly string[] };

async function nextWork(context: Context, targets: readonly Target[]): Promise<Work | null> {
  const names = new Set(targets.map(({ name }) => name));
  return context.store.read(async (tx): Promise<Work | null> => {
    const cancelling = (await tx.job())?.state === 'cancelling';
    for (const batch of await tx.batches({ live: true })) {
      const unwanted = !batch.bound || cancelling;
      if (unwanted && names.has(batch.target) && batch.status !== 'cancelling') return { batch };
    }
    for (const hold of await tx.openHolds()) {
      if (hold.fileId === null || hold.releasedAt === null || !names.has(hold.target)) continue;
      const shard = await tx.shard(hold.shard);
      const reading = shard?.state === 'ended' || shard?.state === 'collecting';
      if (reading && shard.attempt === hold.attempt) continue;
      const ours = targets.find(({ name }) => name === hold.target)?.service.dialect.answersAreOurs;
      const answers = ours === true ? await answersOf(tx, hold) : [];
      return { hold, fileId: hold.fileId, answers };
    }
    return null;
  });
}

/** What the batches of an attempt have answered, by the ids that the service gave. */
async function answersOf(tx: Reader, { shard, attempt }: Hold): Promise<string[]> {
  const batches = await tx.batches({ shard });
  return batches
    .filter((batch) => batch.attempt === attempt)
    .flatMap(({ outputFileId, errorFileId }) => [outputFileId, errorFileId])
    .filter((id) => id !== null);
}
