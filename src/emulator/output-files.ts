import { rename, stat, writeFile } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import { deform } from './deform.ts';
import type { Faults } from './faults/faults.ts';
import type { BatchRecord, FileRecord } from './records.ts';
import { contentPath, indexPath, type State, workPath } from './state.ts';

/** The two files that a batch can end with. */
export type Which = 'output' | 'error';

/** Where a batch reads from, and where its answers are while they are written. */
export function batchPaths(state: State, batch: BatchRecord) {
  return {
    inputPath: contentPath(state, batch.inputFileId),
    indexPath: indexPath(state, batch.inputFileId),
    outputPath: workPath(state, `${batch.id}.output`),
    errorPath: workPath(state, `${batch.id}.error`),
  };
}

/** Puts a finished file in its place. The record that it returns is still to be committed. */
export async function publish(
  state: State,
  faults: Faults,
  batch: BatchRecord,
  which: Which,
): Promise<FileRecord> {
  const path = contentPath(state, nameOf(batch, which));
  try {
    await rename(await made(state, faults, batch, which), path);
  } catch (error) {
    // A kill between this rename and the commit leaves the file in its place already.
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  return recordOf(state, batch, which, (await stat(path)).size);
}

/** Writes a finished file as a blob. */
export async function publishBlob(
  state: State,
  faults: Faults,
  batch: BatchRecord,
  which: Which,
): Promise<void> {
  const { blob } = batch;
  if (blob === undefined || batch.lostContent) return;
  const path = await made(state, faults, batch, which);
  await state.blobs?.put(which === 'output' ? blob.output : blob.error, path, state.closing);
}

/** The answers as they were written, or their odd copy. */
async function made(
  state: State,
  faults: Faults,
  batch: BatchRecord,
  which: Which,
): Promise<string> {
  const { outputPath, errorPath } = batchPaths(state, batch);
  const path = which === 'output' ? outputPath : errorPath;
  const actions = which === 'output' ? faults.forOutput(batch.number) : [];
  // What was answered stays beside its odd copy, so that a restart makes it odd once only.
  if (actions.length > 0) await deform(path, `${path}.odd`, actions);
  return actions.length > 0 ? `${path}.odd` : path;
}

/** A file of no bytes, as some profiles give it to a batch that failed. */
export async function emptyFile(
  state: State,
  batch: BatchRecord,
  which: Which,
): Promise<FileRecord> {
  await writeFile(contentPath(state, nameOf(batch, which)), '', { mode: 0o600 });
  return recordOf(state, batch, which, 0);
}

function nameOf(batch: BatchRecord, which: Which): string {
  return which === 'output' ? batch.outputName : batch.errorName;
}

function recordOf(state: State, batch: BatchRecord, which: Which, bytes: number): FileRecord {
  const now = state.options.clock.now();
  const life = batch.outputLifeSeconds;
  return {
    id: nameOf(batch, which),
    filename: `${batch.id}_${which}.jsonl`,
    bytes,
    purpose: 'batch_output',
    status: 'processed',
    createdAt: now,
    readyAt: now,
    expiresAt: life === null ? null : now + life * 1000,
    visibleAt: now,
    content: !batch.lostContent,
    facts: null,
  };
}
