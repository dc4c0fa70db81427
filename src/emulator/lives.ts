import { rm } from 'node:fs/promises';
import { type Answerer, writeAnswers } from './answering.ts';
import { answererOf } from './answers/answerer.ts';
import { type UnansweredCode, unansweredLine } from './answers/output-lines.ts';
import { hash } from './answers/words.ts';
import type { Faults } from './faults/faults.ts';
import type { Files } from './files.ts';
import { batchPaths, emptyFile, publish } from './output-files.ts';
import {
  type BatchRecord,
  type BatchStatus,
  type FileRecord,
  type Progress,
  TERMINAL,
} from './records.ts';
import { sleepUntil } from './sleep.ts';
import { note, type State, sped } from './state.ts';
import { validate } from './validation.ts';

/**
 * The lives of the batches. Each runs by itself from state to state, sleeping until the next is
 * due, and every step is in the ledger, so that a new process goes on where the last one stood.
 *
 * validating -> in_progress -> finalizing -> completed; validating -> failed; any of these ->
 * cancelling -> cancelled. A batch with a fate leaves in_progress for failed, expired or cancelling
 * when the share of it is answered that the fate names.
 */
export class Lives {
  readonly #state: State;
  readonly #faults: Faults;
  readonly #files: Files;
  /** Aborts what a batch is doing when it is cancelled. */
  readonly #running = new Map<string, AbortController>();

  constructor(state: State, faults: Faults, files: Files) {
    this.#state = state;
    this.#faults = faults;
    this.#files = files;
  }

  /** Goes on with what a restart found. */
  resume(): void {
    for (const batch of this.#state.ledger.batches.values()) {
      if (!TERMINAL.has(batch.status)) this.begin(batch);
    }
  }

  begin(batch: BatchRecord): void {
    const life = this.#live(batch.id).catch(async (error: unknown) => {
      if (this.#state.closing.aborted) return;
      // A full disk, say: the caller has to see an end.
      this.#state.failed(error);
      const message = 'The emulator could not go on with this batch.';
      const errors = [{ code: 'internal_error', message, line: null, param: null }];
      this.#finish({ ...this.#get(batch.id), errors }, 'failed', null, null);
    });
    this.#state.background(life);
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
    const errors = validate(batch, this.#state);
    const requests = batch.facts?.requests ?? null;
    if (errors.length > 0) {
      await this.#fail({ ...batch, errors, requests });
      return;
    }
    const running = batch.plan.running * (batch.fate?.share ?? 1);
    this.#move({ ...batch, requests }, 'in_progress', {
      dueAt: batch.dueAt + sped(this.#state, running),
    });
  }

  async #inProgress(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    const answered = await this.#answer(batch, signal);
    if (!answered || !(await this.#until(batch.dueAt, signal))) return;
    const now = this.#get(batch.id);
    switch (batch.fate?.end) {
      case 'expired':
        return this.#expire(now);
      case 'cancelled':
        this.cancel(now);
        return;
      case 'failed':
        return this.#end({ ...now, errors: batch.fate.errors }, 'failed');
      case 'stalled':
        return this.#stall(now, signal);
      default:
        this.#move(now, 'finalizing', {
          dueAt: this.#answeredAt(batch) + sped(this.#state, batch.plan.finalizing),
        });
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

  /**
   * When the answering was over. The phases of the model follow their plan, so that the time that
   * this machine took does not add up; what really works takes its own time.
   */
  #answeredAt(batch: BatchRecord): number {
    const { upstream, answer } = this.#state.options;
    return upstream === null && answer === undefined ? batch.dueAt : this.#now();
  }

  /** Nothing more happens, until it is cancelled or the profile lets it expire. */
  async #stall(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    const { expires } = this.#state.options.switches;
    const reached = await this.#until(expires ? batch.expiresAt : Infinity, signal);
    if (reached) await this.#expire(batch);
  }

  async #expire(batch: BatchRecord): Promise<void> {
    if (this.#state.options.switches.expiredLines === 'error') {
      await this.#answerNot(batch, 'batch_expired');
    }
    await this.#end(this.#get(batch.id), 'expired');
  }

  /** Answers what is to be answered. False when it was stopped on the way. */
  async #answer(batch: BatchRecord, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#state.options;
    const requests = Math.floor((batch.requests ?? 0) * (batch.fate?.share ?? 1));
    const answerer = await answererOf(this.#state, this.#faults, batch);
    const startedAt = batch.times.in_progress ?? this.#now();
    const pace = { startedAt, runMs: batch.dueAt - startedAt, clock };
    const checkpoint = (progress: Progress) => this.#checkpoint(batch.id, progress);
    // What really works takes its own time.
    const paced = 'now' in answerer ? pace : null;
    const wanted = { requests, answerer, pace: paced, checkpoint, signal };
    const progress = await this.#write(batch, wanted);
    return progress.position >= requests && !signal.aborted;
  }

  /** Writes a line for each request that has no answer. They count as neither done nor failed. */
  async #answerNot(batch: BatchRecord, code: UnansweredCode): Promise<void> {
    if (batch.requests === null) return;
    const { switches } = this.#state.options;
    const { completed, failed } = batch.progress;
    await this.#write(batch, {
      requests: batch.requests,
      answerer: { width: 1, now: (question) => unansweredLine(question, code, switches) },
      pace: null,
      checkpoint: (progress) => this.#checkpoint(batch.id, { ...progress, completed, failed }),
      signal: this.#state.closing,
    });
  }

  #write(
    batch: BatchRecord,
    wanted: {
      requests: number;
      answerer: Answerer;
      pace: Parameters<typeof writeAnswers>[0]['pace'];
      checkpoint: (progress: Progress) => void;
      signal: AbortSignal;
    },
  ): Promise<Progress> {
    const { switches, seed } = this.#state.options;
    const order = switches.shuffled ? hash(`order ${batch.number}`, seed) : null;
    return writeAnswers({
      ...batchPaths(this.#state, batch),
      seed: order,
      progress: batch.progress,
      ...wanted,
    });
  }

  /** A batch that validation refused. Some profiles give it two empty files. */
  async #fail(batch: BatchRecord): Promise<void> {
    const withFiles = this.#state.options.switches.failedShape === 'completed_at';
    const output = withFiles ? await emptyFile(this.#state, batch, 'output') : null;
    const error = withFiles ? await emptyFile(this.#state, batch, 'error') : null;
    this.#finish(batch, 'failed', output, error);
  }

  /** Puts the files in their place and ends the batch, in one commit. */
  async #end(
    batch: BatchRecord,
    status: 'completed' | 'failed' | 'expired' | 'cancelled',
  ): Promise<void> {
    if (this.#state.closing.aborted) return;
    const { switches } = this.#state.options;
    const { outputBytes, errorBytes } = batch.progress;
    const emptyErrors = status === 'completed' && switches.zeroByteErrorFile;
    const named = (which: 'output' | 'error', there: boolean) =>
      there && !batch.withheld.includes(which)
        ? publish(this.#state, this.#faults, batch, which)
        : null;
    const output = await named('output', outputBytes > 0);
    const error = await named('error', errorBytes > 0 || emptyErrors);
    this.#finish(batch, status, output, error);
    const { outputPath, errorPath } = batchPaths(this.#state, batch);
    await rm(outputPath, { force: true });
    await rm(errorPath, { force: true });
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
