import { WireError } from './errors.ts';
import type { Files } from './files.ts';
import { batchId, outputFileId } from './ids.ts';
import type { Lives } from './lives.ts';
import { type BatchRecord, type FileFacts, NO_PROGRESS, type Plan, TERMINAL } from './records.ts';
import { draw, note, randomFor, type State, sped } from './state.ts';
import { limitText } from './validation.ts';

const WINDOW_MS = 24 * 60 * 60 * 1000; // 24 h

/** A create call whose form is right. */
export interface NewBatch {
  readonly inputFileId: string;
  readonly endpoint: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly outputLifeSeconds: number | null;
}

/** A batch that was accepted, and what the headers of the answer say. */
export interface Accepted {
  readonly batch: BatchRecord;
  readonly headers: Readonly<Record<string, string>>;
}

/** The batches of the service: admission, quota, cancelling. */
export class Batches {
  readonly #state: State;
  readonly #files: Files;
  readonly #lives: Lives;

  constructor(state: State, files: Files, lives: Lives) {
    this.#state = state;
    this.#files = files;
    this.#lives = lives;
  }

  /** Accepts a batch or refuses it. From here on its tokens are charged. */
  async create(wanted: NewBatch): Promise<Accepted> {
    const { options, ledger } = this.#state;
    const { switches, clock } = options;
    if (wanted.completionWindow !== '24h' && switches.badWindow === 'refuse') {
      throw new WireError('invalidParameter', { param: 'completion_window' });
    }
    const facts = await this.#inputFacts(wanted.inputFileId);
    const deployment = facts?.model ?? null;
    const tokens = Math.ceil((facts?.tokens ?? 0) * switches.enqueuedTokenFactor);
    // No await between this look at the quota and the commit, so that two calls cannot both fit.
    const charged = this.#admits(deployment, tokens);
    if (!charged && switches.tokenLimit === 'refuse') {
      const limit = limitText(options.enqueuedTokens ?? 0);
      throw new WireError('tokenLimit', { limit, model: deployment ?? '' });
    }
    const now = clock.now();
    const number = ledger.batches.size + 1;
    const plan = this.#plan(number, facts?.requests ?? 0);
    const id = batchId(switches);
    const batch: BatchRecord = {
      id,
      number,
      inputFileId: wanted.inputFileId,
      endpoint: wanted.endpoint,
      completionWindow: wanted.completionWindow,
      metadata: wanted.metadata,
      status: 'validating',
      createdAt: now,
      expiresAt: now + sped(this.#state, WINDOW_MS),
      times: { validating: now },
      plan,
      dueAt: now + sped(this.#state, plan.validating),
      deployment,
      tokens,
      charged,
      requests: null,
      progress: NO_PROGRESS,
      errors: [],
      outputName: outputFileId(switches),
      errorName: outputFileId(switches),
      outputFileId: null,
      errorFileId: null,
      outputLifeSeconds: wanted.outputLifeSeconds ?? switches.outputLifeSeconds,
    };
    ledger.commit({ batch });
    const { inputFileId, metadata } = batch;
    note(this.#state, {
      kind: 'batch',
      id,
      from: null,
      to: 'validating',
      detail: { inputFileId, metadata, tokens, deployment },
    });
    this.#lives.begin(batch);
    return { batch, headers: this.#queueHeaders(deployment, facts) };
  }

  get(id: string): BatchRecord {
    const batch = this.#state.ledger.batches.get(id);
    if (batch === undefined) throw new WireError('batchNotFound', { id });
    return batch;
  }

  /** Begins to cancel. Once more on a cancelling batch is the same; on a terminal one a conflict. */
  cancel(id: string): BatchRecord {
    const batch = this.get(id);
    if (batch.status === 'cancelling') return batch;
    if (TERMINAL.has(batch.status)) throw new WireError('notCancellable', { status: batch.status });
    return this.#lives.cancel(batch);
  }

  /** Facts of the input file, or null for one that does not exist and is to fail later. */
  async #inputFacts(id: string): Promise<FileFacts | null> {
    const { switches } = this.#state.options;
    this.#files.expire();
    const file = this.#state.ledger.files.get(id);
    if (file === undefined) {
      if (switches.unknownFile === 'fail') return null;
      throw new WireError('fileNotFound', { id });
    }
    if (file.purpose !== 'batch') throw new WireError('wrongPurpose', { id });
    if (file.status !== 'processed')
      throw new WireError('filePending', { id, status: file.status });
    return this.#files.facts(file);
  }

  #admits(deployment: string | null, tokens: number): boolean {
    const limit = this.#state.options.enqueuedTokens;
    if (limit === null || deployment === null) return true;
    return this.#state.ledger.enqueuedTokens(deployment) + tokens <= limit;
  }

  #plan(number: number, requests: number): Plan {
    const { switches } = this.#state.options;
    const random = randomFor(this.#state, `batch ${number}`);
    return {
      validating: draw(switches.validatingSeconds, random),
      running: draw(switches.runningSeconds, random) + switches.secondsPerRequest * 1000 * requests,
      finalizing: draw(switches.finalizingSeconds, random),
      cancelling: draw(switches.cancellingSeconds, random),
    };
  }

  #queueHeaders(deployment: string | null, facts: FileFacts | null): Record<string, string> {
    const { switches, enqueuedTokens } = this.#state.options;
    if (switches.enqueuedHeader === 'none' || deployment === null || facts === null) return {};
    const now =
      switches.enqueuedHeader === 'charged'
        ? this.#state.ledger.enqueuedTokens(deployment)
        : this.#enqueuedByCharacters(deployment);
    return {
      'deployment-enqueued-tokens': String(now),
      ...(enqueuedTokens === null
        ? {}
        : { 'deployment-maximum-enqueued-tokens': String(enqueuedTokens) }),
    };
  }

  /** The one recorded header said 139 for prompts of 258 characters in all; a guess from that. */
  #enqueuedByCharacters(deployment: string): number {
    const { batches, files } = this.#state.ledger;
    let characters = 0;
    for (const batch of batches.values()) {
      if (batch.deployment !== deployment || TERMINAL.has(batch.status) || !batch.charged) continue;
      characters += files.get(batch.inputFileId)?.facts?.characters ?? 0;
    }
    return Math.ceil((characters * 139) / 258);
  }
}
