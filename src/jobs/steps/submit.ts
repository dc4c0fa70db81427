import type { BatchObject, FileObject } from '../../core/batch.ts';
import { MillraceError, ServiceError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type { Shard } from '../../core/job.ts';
import type { Target } from '../../core/service.ts';
import { backOff, bind, drain, putBack } from '../attempts.ts';
import { type Context, jobRow, log, mayGoOut, type Step, targetNamed } from '../context.ts';
import { batchesSince, batchMetadata, CLOCK_SKEW_MS, isBatchOf } from '../listing.ts';
import { isGone, missed } from '../missing.ts';
import { readQueue } from '../quota.ts';

/** Of the poll interval: how often an uploaded file, or a lost batch, is asked for. */
const ASK_AGAIN = 1 / 12; // 5 s at the default of 60 s

/** Refusals that say nothing against the shard or the target. */
const TRY_LATER: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/**
 * Turns an uploaded file into a batch, at most once. The wish is durable (`submitting`, `intentAt`)
 * before the create is sent; a create whose answer is lost is looked for in the list until the
 * grace is over, and only then sent again.
 */
export const submit: Step = async (context, task, signal) => {
  const shard = await context.store.read((tx) => tx.shard(task.id));
  if (shard?.state === 'uploaded') {
    const target = targetNamed(context, shard.target);
    // Asked before the service is: a target that is left alone may not answer.
    if (await withdrawn(context, task, shard)) return;
    if (await fileIsReady(context, task, shard, target, signal)) {
      await create(context, task, shard, target, signal);
    }
  } else if (shard?.state === 'submitting') {
    const target = targetNamed(context, shard.target);
    if (shard.intentAt === null) await create(context, task, shard, target, signal);
    else await findOrCreate(context, task, shard, shard.intentAt, target, signal);
  } else {
    await context.store.transaction((tx) => tx.doneTask(task));
  }
};

type SubmitTask = Parameters<Step>[1];

/** Puts the shard back when its attempt is not to go out any more. */
async function withdrawn(context: Context, task: SubmitTask, shard: Shard): Promise<boolean> {
  return context.store.transaction(async (tx) => {
    const job = await jobRow(tx);
    if (await mayGoOut(tx, context, job, shard)) return false;
    await tx.doneTask(task);
    await putBack(tx, context, shard, { code: job.state, readyAt: 0 });
    return true;
  });
}

async function fileIsReady(
  context: Context,
  task: SubmitTask,
  shard: Shard,
  target: Target,
  signal: AbortSignal,
): Promise<boolean> {
  const file = await findFile(fileIdOf(shard), target, signal);
  if (file === null) {
    await fileMissed(context, task, shard);
    return false;
  }
  // A status that the service leaves out is settled by whether it accepts the create.
  if (file.status === 'processed' || file.status === null) return true;
  const broken = file.status === 'error' || file.status.startsWith('delet');
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const wait = context.clock.now() + context.settings.pollIntervalMs * ASK_AGAIN;
    if (broken) {
      await putBack(tx, context, shard, { code: `file_${file.status}`, readyAt: wait });
      return;
    }
    const waited = await missed(tx, context, shard, 'file_pending', {});
    if (waited.over) await putBack(tx, context, shard, { code: 'file_pending', readyAt: wait });
    else await tx.putTask('submit', shard.name, wait);
  });
  return false;
}

async function findFile(
  id: string,
  target: Target,
  signal: AbortSignal,
): Promise<FileObject | null> {
  try {
    return await target.service.getFile(id, signal);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** A file that was just uploaded may be shown late; one that stays away is uploaded again. */
async function fileMissed(context: Context, task: SubmitTask, shard: Shard): Promise<void> {
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const wait = context.clock.now() + context.settings.pollIntervalMs * ASK_AGAIN;
    const file = fileIdOf(shard);
    const waited = await missed(tx, context, shard, 'file_not_found', { file });
    if (waited.over) {
      await putBack(tx, context, waited.shard, { code: 'file_not_found', readyAt: wait });
    } else await tx.putTask('submit', shard.name, wait);
  });
}

/** Looks for the batch of a create whose answer was never read. */
async function findOrCreate(
  context: Context,
  task: SubmitTask,
  shard: Shard,
  intentAt: number,
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const found = await findBatch(context, shard, target, intentAt, signal);
  if (found === undefined && context.clock.now() >= intentAt + context.settings.submitGraceMs) {
    await create(context, task, shard, target, signal);
    return;
  }
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (found === undefined) {
      const now = context.clock.now();
      // An intent ahead of now was written before the clock was set back: its grace begins now.
      if (intentAt > now) await tx.moveShard(shard.name, shard.version, { intentAt: now });
      await tx.putTask('submit', shard.name, now + context.settings.pollIntervalMs * ASK_AGAIN);
      return;
    }
    await bind(tx, context, shard, target, found);
    await log(tx, context, 'adopted', shard.name, { batch: found.id });
  });
}

async function findBatch(
  context: Context,
  shard: Shard,
  target: Target,
  intentAt: number,
  signal: AbortSignal,
): Promise<BatchObject | undefined> {
  let oldest: BatchObject | undefined;
  const list = target.service.listBatches(signal);
  for await (const batch of batchesSince(list, intentAt - CLOCK_SKEW_MS)) {
    if (!isBatchOf(context, shard, batch)) continue;
    if (oldest === undefined || (batch.createdAt ?? 0) < (oldest.createdAt ?? 0)) oldest = batch;
  }
  return oldest;
}

async function create(
  context: Context,
  task: SubmitTask,
  shard: Shard,
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const begun = await context.store.transaction(async (tx) => {
    const job = await jobRow(tx);
    if (!(await mayGoOut(tx, context, job, shard))) {
      await tx.doneTask(task);
      await putBack(tx, context, shard, { code: job.state, readyAt: 0 });
      return null;
    }
    const moved = await tx.moveShard(shard.name, shard.version, {
      state: 'submitting',
      intentAt: context.clock.now(),
    });
    return { moved, endpoint: job.spec.request?.endpoint ?? '/chat/completions' };
  });
  if (begun === null) return;
  const { moved, endpoint } = begun;
  try {
    failpoint('create.before');
    const { batch, queue } = await target.service.createBatch(
      {
        inputFileId: fileIdOf(moved),
        endpoint,
        metadata: batchMetadata(context, moved),
      },
      signal,
    );
    failpoint('create.after');
    await context.store.transaction(async (tx) => {
      await tx.doneTask(task);
      await bind(tx, context, moved, target, batch);
      await readQueue(tx, target, queue);
    });
  } catch (error) {
    if (!(error instanceof ServiceError) || error.outcome === 'unknown') throw error;
    // An older intent stands when this one came to nothing: its batch may be shown by now.
    const before = shard.intentAt;
    const fileGone = await isFileGone(moved, target, error, signal);
    await refused(context, task, { shard: moved, target, error, before, fileGone });
  }
}

interface Refused {
  readonly shard: Shard;
  readonly target: Target;
  readonly error: ServiceError;
  /** The intent before this one, or null. */
  readonly before: number | null;
  readonly fileGone: boolean;
}

/** Whether a create was refused because its input is no longer there: somebody has deleted it. */
async function isFileGone(
  shard: Shard,
  target: Target,
  error: ServiceError,
  signal: AbortSignal,
): Promise<boolean> {
  if (error.status !== 400 && error.status !== 404) return false;
  if (error.code === 'token_limit_exceeded') return false;
  try {
    await target.service.getFile(fileIdOf(shard), signal);
    return false;
  } catch (failure) {
    if (!(failure instanceof ServiceError)) throw failure;
    return isGone(failure);
  }
}

/** The service did not make the batch, and said so, or was never reached. */
async function refused(
  context: Context,
  task: SubmitTask,
  { shard, target, error, before, fileGone }: Refused,
): Promise<void> {
  const now = context.clock.now();
  const later =
    now + Math.max(error.retryAfterMs ?? 0, context.settings.pollIntervalMs * ASK_AGAIN);
  const pause = await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (error.outcome === 'unsent') {
      await tx.moveShard(shard.name, shard.version, { intentAt: before });
      await tx.putTask('submit', shard.name, later);
    } else if (error.code === 'token_limit_exceeded') {
      await backOff(tx, context, shard, target, error.message);
    } else if (error.status === 401 || error.status === 403) {
      await tx.moveShard(shard.name, shard.version, { intentAt: before });
      await tx.putTask('submit', shard.name, later);
      return true;
    } else {
      await putBack(tx, context, shard, { code: error.code, readyAt: later });
      const passing =
        fileGone || (error.status !== null && TRY_LATER.has(error.status)) || isPendingFile(error);
      if (!passing) await drain(tx, context, target, `${error.code}: ${error.message}`);
    }
    return false;
  });
  if (pause) throw error;
}

function isPendingFile(error: ServiceError): boolean {
  return /in 'pending' state|cannot find file/i.test(error.message);
}

function fileIdOf(shard: Shard): string {
  if (shard.fileId !== null) return shard.fileId;
  throw new MillraceError('no_file', `shard ${shard.name} is ${shard.state} without a file`);
}
