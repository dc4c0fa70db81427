import { rm } from 'node:fs/promises';
import type { Faults } from './faults/faults.ts';
import { batchPaths, emptyFile, publish, publishBlob } from './output-files.ts';
import type { BatchRecord, FileRecord, ValidationError } from './records.ts';
import { note, type State } from './state.ts';

type End = 'completed' | 'failed' | 'expired' | 'cancelled';

/** Ends a batch that validation refused. Some profiles give it two empty files. */
export async function refuseBatch(
  state: State,
  batch: BatchRecord,
  errors: readonly ValidationError[],
): Promise<void> {
  const withFiles =
    batch.blob === undefined && state.options.switches.failedShape === 'completed_at';
  const output = withFiles ? await emptyFile(state, batch, 'output') : null;
  const error = withFiles ? await emptyFile(state, batch, 'error') : null;
  const requests = batch.facts?.requests ?? null;
  finish(state, batch.id, 'failed', { patch: { errors, requests }, output, error });
}

/** Puts the files of a batch in their place and ends it, in one commit. */
export async function endBatch(
  state: State,
  faults: Faults,
  batch: BatchRecord,
  end: End,
  errors: readonly ValidationError[] = [],
): Promise<void> {
  if (state.closing.aborted) return;
  const { outputBytes, errorBytes } = batch.progress;
  const emptyErrors =
    batch.blob === undefined && end === 'completed' && state.options.switches.zeroByteErrorFile;
  const named = async (which: 'output' | 'error', there: boolean) => {
    if (!there || batch.withheld.includes(which)) return null;
    if (batch.blob === undefined) return publish(state, faults, batch, which);
    await publishBlob(state, faults, batch, which);
    return null;
  };
  const output = await named('output', outputBytes > 0);
  const error = await named('error', errorBytes > 0 || emptyErrors);
  finish(state, batch.id, end, { patch: { errors }, output, error });
  const { outputPath, errorPath } = batchPaths(state, batch);
  await rm(outputPath, { force: true });
  await rm(`${outputPath}.odd`, { force: true });
  await rm(errorPath, { force: true });
}

/** Ends a batch that the emulator itself cannot go on with, as when the disk is full. */
export function breakBatch(state: State, id: string): void {
  const message = 'The emulator could not go on with this batch.';
  const errors = [{ code: 'internal_error', message, line: null, param: null }];
  finish(state, id, 'failed', { patch: { errors }, output: null, error: null });
}

function finish(
  state: State,
  id: string,
  wanted: End,
  made: {
    readonly patch: Partial<BatchRecord>;
    readonly output: FileRecord | null;
    readonly error: FileRecord | null;
  },
): void {
  const { ledger, options } = state;
  const batch = ledger.batch(id);
  // A cancel that came while the files were put in their place was accepted, and is kept.
  const end = batch.status === 'cancelling' ? 'cancelled' : wanted;
  const files = [made.output, made.error].filter((file) => file !== null);
  const ended: BatchRecord = {
    ...batch,
    ...(end === wanted ? made.patch : {}),
    status: end,
    times: { ...batch.times, [end]: options.clock.now() },
    outputFileId: made.output?.id ?? null,
    errorFileId: made.error?.id ?? null,
  };
  ledger.commit(...files.map((file) => ({ file })), { batch: ended });
  const { requests, errors, progress } = ended;
  const { completed, failed } = progress;
  const code = errors[0]?.code;
  note(state, {
    kind: 'batch',
    id,
    from: batch.status,
    to: end,
    detail: { requests, completed, failed, ...(code === undefined ? {} : { code }) },
  });
}
