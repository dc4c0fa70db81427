import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { type Outcome, type Question, sleepUntil, writeAnswers } from './answering.ts';
import type { Files } from './files.ts';
import { hash } from './model.ts';
import {
  type BatchRecord,
  type BatchStatus,
  type FileFacts,
  type FileRecord,
  type Progress,
  TERMINAL,
} from './records.ts';
import { contentPath, indexPath, note, type State, sped, workPath } from './state.ts';
import { validate } from './validation.ts';

/** Makes the answerer of one batch. */
export type AnswererOf = (
  batch: BatchRecord,
) => (questions: readonly Question[]) => readonly Outcome[] | Promise<readonly Outcome[]>;

/** Makes the line of a request that was never answered. */
export type UnansweredLine = (
  question: Question,
  code: 'batch_expired' | 'batch_cancelled',
) => Outcome;

/**
 * The lives of the batches. Each runs by itself from state to state, sleeping until the next is
 * due, and every step is in the ledger, so that a new process goes on where the last one stood.
 *
 * validating -> in_progress -> finalizing -> completed; validating -> failed; in_progress and
 * finalizing -> expired where the profile has it; any of them -> cancelling -> cancelled.
 */
export class Lives {
  readonly #state: State;
  readonly #files: Files;
  readonly #answerer: AnswererOf;
  readonly #unanswered: UnansweredLine;
  /** Aborts what a batch is doing when it is cancelled. */
  readonly #running = new Map<string, AbortController>();

  constructor(state: State, files: Files, answerer: AnswererOf, unanswered: UnansweredLine) {
    this.#state = state;
    this.#files = files;
    this.#answerer = answerer;
    this.#unanswered = unanswered;
  }

  /** Goes on with what a restart found. */
  resume(): void {
    for (const batch of this.#state.ledger.batches.values()) {
      if (!TERMINAL.has(batch.status)) this.begin(batch);
    }
  }

  begin(batch: BatchRecord): void {
    this.#state.background(this.#live(batch.id));
  }

  cancel(batch: BatchRecord): BatchRecord {
    const now = this.#state.options.clock.now();
    const cancelled = this.#move(batch, 'cancelling', {
      dueAt: now + sped(this.#state, batch.plan.cancelling),
    });
    this.#running.get(batch.id)?.abort();
    return cancelled;
  }

  async #live(id: string): Promise<void> {
    const { closing } = this.#state;
    while (!closing.aborted) {
      const batch = this.#get(id);
      if (TERMINAL.has(batch.status)) break;
      const stop = new AbortController();
      this.#running.set(id, stop);
      await this.#step(batch, AbortSignal.any([closing, stop.signal]));
    }
    this.#running.delete(id);
    const batch = this.#get(id);
    if (TERMINAL.has(batch.status)) await this.#files.sweep(batch.inputFileId);
  }

  async #step(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    switch (batch.status) {
      case 'validating':
        return this.#validating(batch, signal);
      case 'in_progress':
        return this.#inProgress(batch, signal);
      case 'finalizing':
        return this.#finalizing(batch, signal);
      default:
        return this.#cancelling(batch, signal);
    }
  }

  async #validating(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    if (!(await this.#until(batch.dueAt, signal))) return;
    const facts = await this.#facts(batch);
    if (signal.aborted) return;
    const errors = validate(batch, facts, this.#state.options);
    const requests = facts?.requests ?? null;
    if (errors.length > 0) {
      await this.#fail({ ...batch, errors, requests });
      return;
    }
    const now = this.#now();
    this.#move({ ...batch, requests }, 'in_progress', {
      dueAt: now + sped(this.#state, batch.plan.running),
    });
  }

  async #inProgress(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    const requests = batch.requests ?? 0;
    const expiry = this.#expiry(batch, signal);
    try {
      const progress = await this.#answer(batch, expiry.signal);
      const done =
        progress.position === requests && (await this.#until(batch.dueAt, expiry.signal));
      if (signal.aborted) return;
      if (!done) return await this.#expire(batch.id);
      const due = this.#now() + sped(this.#state, batch.plan.finalizing);
      this.#move(this.#get(batch.id), 'finalizing', { dueAt: due });
    } finally {
      expiry.stop();
    }
  }

  async #finalizing(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    if (await this.#until(batch.dueAt, signal)) await this.#end(batch, 'completed');
  }

  async #cancelling(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    if (!(await this.#until(batch.dueAt, signal))) return;
    const { cancelledLines } = this.#state.options.switches;
    if (cancelledLines === 'error') await this.#answerNot(batch, 'batch_cancelled');
    await this.#end(this.#get(batch.id), 'cancelled');
  }

  async #expire(id: string): Promise<void> {
    if (this.#state.options.switches.expiredLines === 'error') {
      await this.#answerNot(this.#get(id), 'batch_expired');
    }
    await this.#end(this.#get(id), 'expired');
  }

  /** A signal that also aborts at the batch's expiry, if the profile has one. */
  #expiry(batch: BatchRecord, signal: AbortSignal): { signal: AbortSignal; stop: () => void } {
    const stop = () => timer.abort();
    const timer = new AbortController();
    if (!this.#state.options.switches.expires) return { signal, stop };
    const over = new AbortController();
    const waiting = AbortSignal.any([signal, timer.signal]);
    const wait = this.#until(batch.expiresAt, waiting).then((reached) => {
      if (reached) over.abort();
    });
    this.#state.background(wait);
    return { signal: AbortSignal.any([signal, over.signal]), stop };
  }

  #answer(batch: BatchRecord, signal: AbortSignal): Promise<Progress> {
    const { clock } = this.#state.options;
    const startedAt = batch.times.in_progress ?? this.#now();
    return writeAnswers({
      ...this.#paths(batch),
      seed: this.#orderSeed(batch),
      requests: batch.requests ?? 0,
      answer: this.#answerer(batch),
      progress: batch.progress,
      checkpoint: (progress) => this.#checkpoint(batch.id, progress),
      pace: { startedAt, runMs: batch.dueAt - startedAt, clock },
      signal,
    });
  }

  /** Writes a line for each request that has no answer. They count as neither done nor failed. */
  async #answerNot(batch: BatchRecord, code: 'batch_expired' | 'batch_cancelled'): Promise<void> {
    if (batch.requests === null) return;
    const { completed, failed } = batch.progress;
    await writeAnswers({
      ...this.#paths(batch),
      seed: this.#orderSeed(batch),
      requests: batch.requests,
      answer: (questions) => questions.map((question) => this.#unanswered(question, code)),
      progress: batch.progress,
      checkpoint: (progress) => this.#checkpoint(batch.id, { ...progress, completed, failed }),
      pace: null,
      signal: this.#state.closing,
    });
  }

  /** A batch that validation refused. Some profiles give it two empty files. */
  async #fail(batch: BatchRecord): Promise<void> {
    const withFiles = this.#state.options.switches.failedShape === 'completed_at';
    const output = withFiles ? await this.#emptyFile(batch, batch.outputName, 'output') : null;
    const error = withFiles ? await this.#emptyFile(batch, batch.errorName, 'error') : null;
    this.#finish(batch, 'failed', output, error);
  }

  /** Puts the files in their place and ends the batch, in one commit. */
  async #end(batch: BatchRecord, status: 'completed' | 'expired' | 'cancelled'): Promise<void> {
    const { switches } = this.#state.options;
    const { outputBytes, errorBytes } = batch.progress;
    const output = outputBytes > 0 ? await this.#publish(batch, 'output') : null;
    const emptyErrors = status === 'completed' && switches.zeroByteErrorFile;
    const error = errorBytes > 0 || emptyErrors ? await this.#publish(batch, 'error') : null;
    this.#finish(batch, status, output, error);
    await rm(this.#paths(batch).outputPath, { force: true });
    await rm(this.#paths(batch).errorPath, { force: true });
  }

  #finish(
    batch: BatchRecord,
    status: BatchStatus,
    output: FileRecord | null,
    error: FileRecord | null,
  ): void {
    const changes = [output, error].filter((file) => file !== null).map((file) => ({ file }));
    const ended: BatchRecord = {
      ...batch,
      status,
      times: { ...batch.times, [status]: this.#now() },
      outputFileId: output?.id ?? null,
      errorFileId: error?.id ?? null,
    };
    this.#state.ledger.commit(...changes, { batch: ended });
    const { completed, failed } = ended.progress;
    const code = ended.errors[0]?.code;
    note(this.#state, {
      kind: 'batch',
      id: batch.id,
      from: batch.status,
      to: status,
      detail: {
        requests: ended.requests,
        completed,
        failed,
        ...(code === undefined ? {} : { code }),
      },
    });
  }

  async #publish(batch: BatchRecord, which: 'output' | 'error'): Promise<FileRecord> {
    const id = which === 'output' ? batch.outputName : batch.errorName;
    const paths = this.#paths(batch);
    const path = contentPath(this.#state, id);
    const made = which === 'output' ? paths.outputPath : paths.errorPath;
    // A kill between this rename and the commit leaves the file in its place already.
    await rename(made, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      const { outputBytes, errorBytes } = batch.progress;
      const there = await stat(path).catch(() => null);
      if (there === null && (which === 'output' ? outputBytes : errorBytes) > 0) throw error;
      if (there === null) await writeFile(path, '', { mode: 0o600 });
    });
    return this.#record(batch, id, which, (await stat(path)).size);
  }

  async #emptyFile(batch: BatchRecord, id: string, which: 'output' | 'error'): Promise<FileRecord> {
    await writeFile(contentPath(this.#state, id), '', { mode: 0o600 });
    return this.#record(batch, id, which, 0);
  }

  #record(batch: BatchRecord, id: string, which: string, bytes: number): FileRecord {
    const now = this.#now();
    const life = batch.outputLifeSeconds;
    return {
      id,
      filename: `${batch.id}_${which}.jsonl`,
      bytes,
      purpose: 'batch_output',
      status: 'processed',
      createdAt: now,
      readyAt: now,
      expiresAt: life === null ? null : now + life * 1000,
      facts: null,
    };
  }

  async #facts(batch: BatchRecord): Promise<FileFacts | null> {
    const file = this.#state.ledger.files.get(batch.inputFileId);
    return file === undefined ? null : this.#files.facts(file);
  }

  #checkpoint(id: string, progress: Progress): void {
    this.#state.ledger.commit({ batch: { ...this.#get(id), progress } });
  }

  #move(batch: BatchRecord, to: BatchStatus, patch: Partial<BatchRecord>): BatchRecord {
    const moved = {
      ...batch,
      ...patch,
      status: to,
      times: { ...batch.times, [to]: this.#now() },
    };
    this.#state.ledger.commit({ batch: moved });
    note(this.#state, { kind: 'batch', id: batch.id, from: batch.status, to });
    return moved;
  }

  #paths(batch: BatchRecord) {
    return {
      inputPath: contentPath(this.#state, batch.inputFileId),
      indexPath: indexPath(this.#state, batch.inputFileId),
      outputPath: workPath(this.#state, `${batch.id}.output`),
      errorPath: workPath(this.#state, `${batch.id}.error`),
    };
  }

  #orderSeed(batch: BatchRecord): number | null {
    const { switches, seed } = this.#state.options;
    return switches.shuffled ? hash(`order ${batch.number}`, seed) : null;
  }

  #get(id: string): BatchRecord {
    const batch = this.#state.ledger.batches.get(id);
    if (batch === undefined) throw new Error(`batch ${id} left the ledger`);
    return batch;
  }

  #now(): number {
    return this.#state.options.clock.now();
  }

  #until(at: number, signal: AbortSignal): Promise<boolean> {
    return sleepUntil(this.#state.options.clock, at, signal);
  }
}
