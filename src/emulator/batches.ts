import { writeFile } from 'node:fs/promises';
import { takeBlob } from './blobs.ts';
import type { Faults } from './faults/faults.ts';
import type { BatchAction, FaultScript, Foreign } from './faults/rules.ts';
import type { Files } from './files.ts';
import { WireError } from './http/errors.ts';
import { batchId, outputFileId } from './ids.ts';
import type { Lives } from './lives.ts';
import {
  type BatchRecord,
  type BlobFacts,
  type Fate,
  type FileFacts,
  NO_PROGRESS,
  type Plan,
  TERMINAL,
} from './records.ts';
import { draw, note, randomFor, type State, sped, workPath } from './state.ts';
import { limitText } from './validation.ts';

const WINDOW_MS = 24 * 60 * 60 * 1000; // 24 h

/** A create call whose form is right. */
export interface NewBatch {
  /** Empty when the input is a blob. */
  readonly inputFileId: string;
  readonly blob: { readonly input: string; readonly folder: string } | null;
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
  readonly #faults: Faults;
  readonly #files: Files;
  readonly #lives: Lives;
  #refusedByFault = 0;

  constructor(state: State, faults: Faults, files: Files, lives: Lives) {
    this.#state = state;
    this.#faults = faults;
    this.#files = files;
    this.#lives = lives;
  }

  /** Accepts a batch or refuses it. From here on its tokens are charged. */
  async create(wanted: NewBatch): Promise<Accepted> {
    const { switches } = this.#state.options;
    if (wanted.completionWindow !== '24h' && switches.badWindow === 'refuse') {
      throw new WireError('invalidParameter', { param: 'completion_window' });
    }
    if (wanted.blob !== null) return this.#acceptBlob(wanted, wanted.blob);
    return this.#accept(wanted, await this.#inputFacts(wanted.inputFileId), {});
  }

  async #acceptBlob(wanted: NewBatch, named: NonNullable<NewBatch['blob']>): Promise<Accepted> {
    const { id, facts, blob } = await takeBlob(this.#state, named);
    try {
      return this.#accept({ ...wanted, inputFileId: id }, facts, { blob });
    } catch (error) {
      await this.#files.sweep(id);
      throw error;
    }
  }

  /** What others do on the same resource, as a fault script tells it. */
  async addForeigners({ foreign = [] }: FaultScript): Promise<void> {
    for (const one of foreign) await this.#addForeign(one);
  }

  /** Makes batches that belong to somebody else: they take tokens, files and places in lists. */
  async #addForeign(foreign: Foreign): Promise<void> {
    const { switches } = this.#state.options;
    const body = { model: foreign.deployment, messages: [{ role: 'user', content: 'Hello' }] };
    const line = { custom_id: 'foreign', method: 'POST', url: '/chat/completions', body };
    const content = `${JSON.stringify(line)}\n`;
    for (let made = 0; made < foreign.batches; made += 1) {
      const path = workPath(this.#state, `foreign-${process.pid}-${made}`);
      await writeFile(path, content, { mode: 0o600 });
      const file = await this.#files.add({
        filename: 'foreign.jsonl',
        bytes: content.length,
        path,
        purpose: 'batch',
        lifeSeconds: null,
      });
      const wanted: NewBatch = {
        inputFileId: file.id,
        blob: null,
        endpoint: '/chat/completions',
        completionWindow: '24h',
        metadata: { owner: 'foreign' },
        outputLifeSeconds: switches.outputLifeSeconds,
      };
      const facts = await this.#files.facts(file);
      this.#accept(wanted, facts, { tokens: foreign.tokens ?? 0, seconds: foreign.seconds });
    }
  }

  /** What lists show, oldest first. */
  visible(): BatchRecord[] {
    const now = this.#state.options.clock.now();
    return [...this.#state.ledger.batches.values()].filter((batch) => batch.visibleAt <= now);
  }

  // No await from the look at the quota to the commit, so that two calls cannot both fit.
  #accept(
    wanted: NewBatch,
    facts: FileFacts | null,
    over: {
      readonly tokens?: number;
      readonly seconds?: number | undefined;
      readonly blob?: BlobFacts;
    },
  ): Accepted {
    const { options, ledger } = this.#state;
    const { switches, clock } = options;
    const number = ledger.lastBatchNumber() + 1 + this.#refusedByFault;
    const faults = this.#faults.forBatch(number);
    const deployment = facts?.model ?? null;
    const tokens = over.tokens ?? Math.ceil((facts?.tokens ?? 0) * switches.enqueuedTokenFactor);
    const limited = faults.find((fault) => fault.do === 'token-limit');
    const charged = limited === undefined && this.#admits(deployment, tokens);
    if (!charged && (limited?.how ?? switches.tokenLimit) === 'refuse') {
      // The next create is another occasion, or the rule would refuse for ever.
      if (limited !== undefined) this.#refusedByFault += 1;
      const limit = limitText(this.#state.quota.enqueuedTokens);
      throw new WireError('tokenLimit', { limit, model: deployment ?? '' });
    }
    const now = clock.now();
    const drawn = this.#plan(number, facts?.requests ?? 0);
    const plan = over.seconds === undefined ? drawn : { ...drawn, running: over.seconds * 1000 };
    const id = batchId(switches);
    const batch: BatchRecord = {
      id,
      number,
      inputFileId: wanted.inputFileId,
      ...(over.blob === undefined ? {} : { blob: over.blob }),
      endpoint: wanted.endpoint,
      completionWindow: wanted.completionWindow,
      metadata: wanted.metadata,
      status: 'validating',
      createdAt: now,
      expiresAt: now + sped(this.#state, WINDOW_MS),
      times: { validating: now },
      plan,
      fate: fateOf(faults) ?? (switches.expires ? expiryOf(plan) : null),
      withheld: faults.flatMap((fault) => (fault.do === 'no-file' ? WITHHELD[fault.which] : [])),
      lostContent: faults.some((fault) => fault.do === 'lost-content'),
      visibleAt: now + Math.max(0, ...faults.map((fault) => (fault.do === 'hide' ? fault.ms : 0))),
      dueAt: now + sped(this.#state, plan.validating),
      deployment,
      tokens,
      charged,
      facts,
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
    this.#refusedByFault = 0;
    const { metadata } = batch;
    const inputFileId = batch.blob?.input ?? batch.inputFileId;
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
    const limit = this.#state.quota.enqueuedTokens;
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
    const { switches } = this.#state.options;
    const { enqueuedTokens } = this.#state.quota;
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
    let characters = 0;
    for (const batch of this.#state.ledger.batches.values()) {
      if (batch.deployment !== deployment || TERMINAL.has(batch.status) || !batch.charged) continue;
      characters += batch.facts?.characters ?? 0;
    }
    return Math.ceil((characters * 139) / 258);
  }
}

const WITHHELD = {
  output: ['output'],
  error: ['error'],
  both: ['output', 'error'],
} as const;

/** The end that a fault has in mind for a batch. */
function fateOf(faults: readonly BatchAction[]): Fate | null {
  for (const fault of faults) {
    if (fault.do === 'fail') {
      const { code, message = 'The batch failed.', line = null, share = 0 } = fault;
      return { end: 'failed', share, errors: [{ code, message, line, param: null }] };
    }
    if (fault.do === 'expire') return { end: 'expired', share: fault.share ?? 0.5, errors: [] };
    if (fault.do === 'cancel') return { end: 'cancelled', share: fault.share ?? 0.5, errors: [] };
    if (fault.do === 'stall') return { end: 'stalled', share: fault.share ?? 0.5, errors: [] };
  }
  return null;
}

/** A batch whose phases take longer than 24 h together expires with what it has by then. */
function expiryOf(plan: Plan): Fate | null {
  if (plan.validating + plan.running + plan.finalizing <= WINDOW_MS) return null;
  const share = Math.max(0, Math.min(1, (WINDOW_MS - plan.validating) / plan.running));
  return { end: 'expired', share, late: true, errors: [] };
}
