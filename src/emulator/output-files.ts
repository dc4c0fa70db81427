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
  const { outputPath, errorPath } = batchPaths(state, batch);
  const made = which === 'output' ? outputPath : errorPath;
  const path = contentPath(state, nameOf(batch, which));
  const actions = which === 'output' ? faults.forOutput(batch.number) : [];
  try {
    // What was answered stays beside its odd copy, so that a restart makes it odd once only.
    if (actions.length > 0) await deform(made, `${made}.odd`, actions);
    await rename(actions.length > 0 ? `${made}.odd` : made, path);
  } catch (error) {
    // A kill between this rename and the commit leaves the file in its place already.
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  return recordOf(state, batch, which, (await stat(path)).size);
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
