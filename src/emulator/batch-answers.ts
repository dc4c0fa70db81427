import { type Answerer, writeAnswers } from './answering.ts';
import { answererOf } from './answers/answerer.ts';
import { type UnansweredCode, unansweredLine } from './answers/output-lines.ts';
import { hash } from './answers/words.ts';
import type { Faults } from './faults/faults.ts';
import { batchPaths } from './output-files.ts';
import type { BatchRecord, Progress } from './records.ts';
import type { State } from './state.ts';

/** Answers what is to be answered of a batch. False when it was stopped on the way. */
export async function answerBatch(
  state: State,
  faults: Faults,
  batch: BatchRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock } = state.options;
  const requests = Math.floor((batch.requests ?? 0) * (batch.fate?.share ?? 1));
  const answerer = await answererOf(state, faults, batch);
  const startedAt = batch.times.in_progress ?? clock.now();
  // What really works takes its own time.
  const paced = 'now' in answerer;
  const pace = paced ? { startedAt, runMs: batch.dueAt - startedAt, clock } : null;
  const checkpoint = (progress: Progress) => note(state, batch.id, progress);
  const progress = await write(state, batch, { requests, answerer, pace, checkpoint, signal });
  return progress.position >= requests && !signal.aborted;
}

/** Writes a line for each request that has no answer. They count as neither done nor failed. */
export async function answerNot(
  state: State,
  batch: BatchRecord,
  code: UnansweredCode,
): Promise<void> {
  if (batch.requests === null) return;
  const { switches } = state.options;
  const { completed, failed } = batch.progress;
  await write(state, batch, {
    requests: batch.requests,
    answerer: { width: 1, now: (question) => unansweredLine(question, code, switches) },
    pace: null,
    checkpoint: (progress) => note(state, batch.id, { ...progress, completed, failed }),
    signal: state.closing,
  });
}

type Wanted = Pick<
  Parameters<typeof writeAnswers>[0],
  'requests' | 'pace' | 'checkpoint' | 'signal'
> & { readonly answerer: Answerer };

function write(state: State, batch: BatchRecord, wanted: Wanted): Promise<Progress> {
  const { switches, seed } = state.options;
  return writeAnswers({
    ...batchPaths(state, batch),
    seed: switches.shuffled ? hash(`order ${batch.number}`, seed) : null,
    progress: batch.progress,
    ...wanted,
  });
}

function note({ ledger }: State, id: string, progress: Progress): void {
  ledger.commit({ batch: { ...ledger.batch(id), progress } });
}
