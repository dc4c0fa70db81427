import { rm } from 'node:fs/promises';
import { ServiceError } from '../core/errors.ts';
import type { BatchRow, Shard } from '../core/job.ts';
import type { BatchService } from '../core/service.ts';
import type { Context } from './context.ts';
import { type Fetched, fetchFile } from './download.ts';
import { isGivenUp, LOST } from './given-up.ts';
import { isGone } from './missing.ts';

/** Both files of a batch, as far as they can be had, and what is wrong with them. */
export interface Answers {
  readonly output: string | null;
  readonly error: string | null;
  /** Why they are not what the batch promises, or null: it may pass. */
  readonly trouble: string | null;
}

/**
 * Fetches both files of a batch that has ended, whatever its end was. A file that is gone is left out, and
 * told as a trouble unless the batch's counts do without it.
 */
export async function fetchAnswers(
  context: Context,
  service: BatchService,
  shard: Shard,
  batch: BatchRow,
  signal: AbortSignal,
): Promise<Answers> {
  const gone: string[] = [];
  const files: Record<'output' | 'error', Fetched | null> = { output: null, error: null };
  for (const [which, id] of filesOf(batch)) {
    const path = context.directory.download(shard.name, which);
    try {
      files[which] = await fetchFile(service, id, path, signal);
    } catch (error) {
      if (!isGone(error) && !(await isLost(context, shard, error))) throw error;
      await rm(path, { force: true });
      gone.push(`${which}_gone`);
    }
  }
  // A batch that failed has answered nothing, whether or not it says so.
  const unsaid = batch.status === 'failed' ? 0 : null;
  const [completed, failed] = [batch.completed ?? unsaid, batch.failed ?? unsaid];
  const lines = (files.output?.lines ?? 0) + (files.error?.lines ?? 0);
  const asCounted = completed !== null && failed !== null && completed + failed === lines;
  // Blobs are named whether or not they were written: the counts tell.
  const troubles = asCounted ? [] : gone;
  if (filesOf(batch).length < 2 && lines < linesPromised(batch, shard)) {
    troubles.push('answers_unnamed');
  }
  for (const [which, id] of filesOf(batch)) {
    const file = files[which];
    if (file === null) continue;
    // What the counts do not confirm is compared with the length that the service knows.
    const whole = file.endsWell && (asCounted || (await hasLength(service, id, file, signal)));
    if (!whole) troubles.push(`${which}_cut`);
  }
  return {
    output: files.output?.path ?? null,
    error: files.error?.path ?? null,
    trouble: troubles.length === 0 ? null : troubles.join(' '),
  };
}

/** How many lines the files of a batch should have together, at the least. */
function linesPromised({ status, completed, failed }: BatchRow, { requests }: Shard): number {
  const all = status === 'completed' ? requests : 0;
  return completed === null && failed === null ? all : (completed ?? 0) + (failed ?? 0);
}

/** The batch with the ids of files that it did not name when it was first seen to have ended. */
export async function withLateIds(
  context: Context,
  service: BatchService,
  batch: BatchRow,
  signal: AbortSignal,
): Promise<BatchRow> {
  if (filesOf(batch).length === 2) return batch;
  try {
    const { outputFileId, errorFileId } = await service.getBatch(batch.id, signal);
    const named = {
      ...batch,
      outputFileId: batch.outputFileId ?? outputFileId,
      errorFileId: batch.errorFileId ?? errorFileId,
    };
    await context.store.transaction((tx) => tx.putBatch(named));
    return named;
  } catch (error) {
    // The files that it did name are asked for all the same, and the target may be lost.
    if (!(error instanceof ServiceError)) throw error;
    return batch;
  }
}

/** Whether the answers lie at a target that does not come back. */
async function isLost(context: Context, { target }: Shard, error: unknown): Promise<boolean> {
  const rows = await context.store.read((tx) => tx.targets());
  const row = rows.find(({ name }) => name === target);
  return row?.drained?.startsWith(LOST) === true && isGivenUp(row, error);
}

function filesOf(batch: BatchRow): ['output' | 'error', string][] {
  const files: ['output' | 'error', string][] = [];
  if (batch.outputFileId !== null) files.push(['output', batch.outputFileId]);
  if (batch.errorFileId !== null) files.push(['error', batch.errorFileId]);
  return files;
}

/** Whether the file has the length that the service gives for it, if it gives one. */
async function hasLength(
  service: BatchService,
  id: string,
  file: Fetched,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { bytes } = await service.getFile(id, signal);
    return bytes === null || bytes <= file.bytes;
  } catch (error) {
    if (!isGone(error)) throw error;
    return true;
  }
}
