import { answerBatch, answerNot } from './batch-answers.ts';
import { checkBlob } from './blobs.ts';
import { breakBatch, endBatch, refuseBatch } from './endings.ts';
import type { Faults } from './faults/faults.ts';
import type { Files } from './files.ts';
import { type BatchRecord, type BatchStatus, TERMINAL } from './records.ts';
import { sleepUntil } from './sleep.ts';
import { note, type State, sped } from './state.ts';
import { validate } from './validation.ts';

/**
 * The lives of the batches: which state comes when. Each runs by itself from state to state, sleeping
 * until the next is due, and every step is in the ledger, so that a new process goes on where the
 * last one stood.
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

  begin({ id }: BatchRecord): void {
    const life = this.#live(id)
      .catch((error: unknown) => {
        if (this.#state.closing.aborted) return;
        // A full disk, say: the caller has to see an end.
        this.#state.failed(error);
        breakBatch(this.#state, id);
      })
      .finally(() => this.#running.delete(id));
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
    const { closing, ledger } = this.#state;
    for (;;) {
      const batch = ledger.batch(id);
      if (TERMINAL.has(batch.status)) return this.#files.sweep(batch.inputFileId);
      if (closing.aborted) return;
      const stop = new AbortController();
      this.#running.set(id, stop);
      await this.#step(batch, AbortSignal.any([closing, stop.signal]));
    }
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
    const changed = await checkBlob(this.#state, batch);
    if (signal.aborted) return;
    const errors = changed.length > 0 ? changed : validate(batch, this.#state);
    if (errors.length > 0) return refuseBatch(this.#state, batch, errors);
    const requests = batch.facts?.requests ?? null;
    const running = batch.plan.running * (batch.fate?.share ?? 1);
    this.#move({ ...batch, requests }, 'in_progress', {
      dueAt: batch.dueAt + sped(this.#state, running),
    });
  }

  async #inProgress(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    const answered = await answerBatch(this.#state, this.#faults, batch, signal);
    if (!answered || !(await this.#until(batch.dueAt, signal))) return;
    const now = this.#state.ledger.batch(batch.id);
    switch (batch.fate?.end) {
      case 'expired':
        if (batch.fate.late !== true) return this.#expire(now);
        return this.#stall(now, batch.expiresAt, signal);
      case 'cancelled':
        this.cancel(now);
        return;
      case 'failed':
        return endBatch(this.#state, this.#faults, now, 'failed', batch.fate.errors);
      case 'stalled': {
        const { expires } = this.#state.options.switches;
        return this.#stall(now, expires ? batch.expiresAt : Infinity, signal);
      }
      default:
        this.#move(now, 'finalizing', {
          dueAt: this.#answeredAt(batch) + sped(this.#state, batch.plan.finalizing),
        });
    }
  }

  async #finalizing(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    if (!(await this.#until(batch.dueAt, signal))) return;
    await endBatch(this.#state, this.#faults, batch, 'completed');
  }

  async #cancelling(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    if (!(await this.#until(batch.dueAt, signal))) return;
    const { ledger, options } = this.#state;
    if (options.switches.cancelledLines === 'error') {
      await answerNot(this.#state, batch, 'batch_cancelled');
    }
    await endBatch(this.#state, this.#faults, ledger.batch(batch.id), 'cancelled');
  }

  /**
   * When the answering was over. The phases of the model follow their plan, so that the time that
   * this machine took does not add up; what really works takes its own time.
   */
  #answeredAt(batch: BatchRecord): number {
    const { upstream, answer, clock } = this.#state.options;
    return upstream === null && answer === undefined ? batch.dueAt : clock.now();
  }

  /** Nothing more happens until it expires, if ever, or is cancelled. */
  async #stall(batch: BatchRecord, until: number, signal: AbortSignal): Promise<void> {
    if (await this.#until(until, signal)) await this.#expire(batch);
  }

  async #expire(batch: BatchRecord): Promise<void> {
    const { ledger, options } = this.#state;
    if (options.switches.expiredLines === 'error') {
      await answerNot(this.#state, batch, 'batch_expired');
    }
    await endBatch(this.#state, this.#faults, ledger.batch(batch.id), 'expired');
  }

  #move(batch: BatchRecord, to: BatchStatus, patch: Partial<BatchRecord>): BatchRecord {
    const { ledger, options } = this.#state;
    const times = { ...batch.times, [to]: options.clock.now() };
    const moved = { ...batch, ...patch, status: to, times };
    ledger.commit({ batch: moved });
    note(this.#state, { kind: 'batch', id: batch.id, from: batch.status, to });
    return moved;
  }

  #until(at: number, signal: AbortSignal): Promise<boolean> {
    return sleepUntil(this.#state.options.clock, at, signal);
  }
}
