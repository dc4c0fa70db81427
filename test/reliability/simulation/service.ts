import { createHash } from 'node:crypto';
import {
  type BatchError,
  type BatchObject,
  type FileObject,
  TERMINAL_STATUSES,
} from '../../../src/core/batch.ts';
import { ServiceError } from '../../../src/core/errors.ts';
import type {
  BatchService,
  CreatedBatch,
  Dialect,
  Download,
  NewBatch,
  Upload,
} from '../../../src/core/service.ts';
import { DIALECTS } from '../../../src/service/dialects.ts';
import { answersOf, type Line } from './answers.ts';
import type { World } from './world.ts';

const MINUTE_MS = 60 * 1000;

export interface SimFile {
  readonly id: string;
  readonly name: string;
  readonly purpose: 'batch' | 'batch_output';
  readonly content: Buffer;
  readonly createdAt: number;
  readonly readyAt: number;
  readonly visibleAt: number;
  readonly broken: boolean;
}

export interface SimBatch {
  readonly id: string;
  readonly shard: string;
  readonly attempt: number;
  readonly inputFileId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly visibleAt: number;
  readonly tokens: number;
  readonly charged: boolean;
  readonly lines: readonly Line[];
  status: BatchObject['status'];
  /** When the phase it is in is over. */
  dueAt: number;
  fate: 'completed' | 'failed' | 'expired';
  errors: BatchError[];
  output: SimFile | null;
  error: SimFile | null;
  endedAt: number | null;
  forgotten: boolean;
}

/** What one service is like. */
export interface Manner {
  limit: number;
  readonly order: 'newest' | 'oldest' | 'shuffled';
  readonly refuses: boolean;
  readonly honoursRange: boolean;
  /** Tokens that somebody else has, until faults end. */
  foreign: number;
  readonly maxFiles: number;
  /** Whether a refusal for tokens names the limit. */
  readonly talkative: boolean;
}

/**
 * The service as the reference describes it, in memory and in virtual time: files that are pending,
 * batches with their phases and ends, quota refused both ways, late lists, lost answers, cut bodies.
 * It knows nothing of the client but what it is sent.
 */
export class SimService implements BatchService {
  readonly resource: string;
  readonly dialect: Dialect;
  readonly files = new Map<string, SimFile>();
  readonly batches: SimBatch[] = [];
  /** Times of each call by name, on the service's clock. */
  readonly calls: { readonly name: string; readonly at: number }[] = [];
  /** Refuses a call, by its name, or lets it through with null. */
  weather: (name: string) => ServiceError | null = () => null;
  /** How many of the answers to a create are lost, beside what is drawn. */
  lostCreates = 0;
  /** Promises that a call broke, in words. */
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #manner: Manner;
  readonly #tokensOf: (shard: string) => number;
  #ids = 0;

  constructor(name: string, world: World, manner: Manner, tokensOf: (shard: string) => number) {
    this.resource = `https://${name}.openai.azure.com/openai`;
    this.#world = world;
    this.#manner = manner;
    this.dialect = { ...DIALECTS.azure, maxFiles: manner.maxFiles };
    this.#tokensOf = tokensOf;
  }

  async uploadFile(upload: Upload): Promise<FileObject> {
    const blocks: Uint8Array[] = [];
    for await (const block of upload.open()) blocks.push(block);
    const content = Buffer.concat(blocks);
    return this.#call('upload', () => {
      const hash = createHash('sha256').update(content).digest('hex');
      if (!upload.name.includes(hash.slice(0, 12)) || content.length !== upload.bytes) {
        this.violations.push(`I6: ${upload.name} is not what was sealed`);
      }
      const inputs = [...this.files.values()].filter(({ purpose }) => purpose === 'batch');
      if (inputs.length >= this.dialect.maxFiles) {
        throw refused(400, 'quotaExceeded', false);
      }
      return this.#shown(this.#store(upload.name, 'batch', content));
    });
  }

  async getFile(id: string): Promise<FileObject> {
    return this.#call('file', () => {
      const file = this.files.get(id);
      if (file === undefined) throw refused(404, 'http_404', false);
      return this.#shown(file);
    });
  }

  async *listFiles(): AsyncIterable<FileObject> {
    const seen = await this.#call('files', () =>
      [...this.files.values()].filter(
        ({ purpose, visibleAt }) => purpose === 'batch' && visibleAt <= this.#world.now,
      ),
    );
    for (const file of seen) yield this.#shown(file);
  }

  async deleteFile(id: string): Promise<void> {
    await this.#call('delete', () => this.files.delete(id));
  }

  async downloadFile(id: string, offset: number): Promise<Download> {
    const file = await this.#call('content', () => {
      const found = this.files.get(id);
      if (found === undefined || found.visibleAt > this.#world.now) {
        throw refused(404, 'http_404', false);
      }
      return found;
    });
    const from = this.#manner.honoursRange ? offset : 0;
    const rest = file.content.subarray(from);
    const world = this.#world;
    const end = world.fault() ? Math.floor(world.random() * rest.length) : rest.length;
    // A body that ends early in an orderly way cannot be told from a whole one by its transport.
    const silent = end < rest.length && world.chance(0.3);
    return {
      length: null,
      offset: from,
      body: (async function* () {
        yield rest.subarray(0, end);
        if (end < rest.length && !silent) throw unknown('download_cut');
      })(),
    };
  }

  async createBatch(wanted: NewBatch): Promise<CreatedBatch> {
    return this.#call('create', () => {
      const file = this.files.get(wanted.inputFileId);
      if (file === undefined) throw refused(400, 'invalid_input_file', false, 'cannot find file');
      if (file.readyAt > this.#world.now) {
        throw refused(400, 'invalid_request', true, `The input file is in 'pending' state`);
      }
      const batch = this.#accept(wanted, file);
      return {
        batch: this.#object(batch),
        queue: { enqueuedTokens: null, maximumEnqueuedTokens: null },
      };
    });
  }

  async getBatch(id: string): Promise<BatchObject> {
    return this.#call('get', () => this.#object(this.#known(id)));
  }

  async *listBatches(): AsyncIterable<BatchObject> {
    const seen = await this.#call('list', () =>
      this.batches
        .filter(({ visibleAt, forgotten }) => visibleAt <= this.#world.now && !forgotten)
        .map((batch) => this.#object(batch)),
    );
    if (this.#manner.order === 'newest') seen.reverse();
    if (this.#manner.order === 'shuffled')
      seen.sort((a, b) => (a.id.slice(-2) < b.id.slice(-2) ? -1 : 1));
    yield* seen;
  }

  async cancelBatch(id: string): Promise<BatchObject> {
    return this.#call('cancel', () => {
      const batch = this.#known(id);
      if (!TERMINAL_STATUSES.has(batch.status) && batch.status !== 'cancelling') {
        batch.status = 'cancelling';
        batch.dueAt = this.#world.now + this.#world.between(0, 10 * MINUTE_MS);
      }
      return this.#object(batch);
    });
  }

  async close(): Promise<void> {}

  now(): number {
    return this.#world.now;
  }

  /** Tokens that batches of ours take now. */
  enqueued(): number {
    this.settle();
    return this.batches
      .filter(({ charged, status }) => charged && !TERMINAL_STATUSES.has(status))
      .reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** Lets every batch be where its time has brought it. */
  settle(): void {
    for (const batch of this.batches) {
      while (!TERMINAL_STATUSES.has(batch.status) && batch.dueAt <= this.#world.now)
        this.#step(batch);
    }
  }

  /** When something changes by itself next, or Infinity. */
  nextChange(): number {
    const live = this.batches.filter(({ status }) => !TERMINAL_STATUSES.has(status));
    return Math.min(Number.POSITIVE_INFINITY, ...live.map(({ dueAt }) => dueAt));
  }

  async #call<R>(name: string, effect: () => R): Promise<R> {
    const world = this.#world;
    world.now += world.between(5, 300);
    if (world.fault() && world.chance(0.2)) world.now += world.between(0, 2 * MINUTE_MS);
    await world.point();
    this.calls.push({ name, at: world.now });
    const weather = this.weather(name);
    if (weather !== null) throw weather;
    if (world.fault()) {
      throw world.pick([
        () => unsent(),
        () => unknown('connection_lost'),
        () => unknown('http_500', 500),
        () => refused(429, 'rate_limit', true, '', world.between(0, 20_000)),
        () => refused(409, 'conflict', true),
      ])();
    }
    this.settle();
    const result = effect();
    await world.point();
    const lost = name === 'create' && world.chance(this.lostCreates);
    if (lost || world.fault()) throw unknown('connection_lost');
    return result;
  }

  #store(name: string, purpose: SimFile['purpose'], content: Buffer): SimFile {
    const world = this.#world;
    const late = world.faulty && world.chance(0.1) ? world.between(0, 40_000) : 0;
    const file: SimFile = {
      id: `file-${this.#id()}`,
      name,
      purpose,
      content,
      createdAt: world.now,
      readyAt: world.now + world.between(0, 15_000),
      visibleAt: world.now + late,
      broken: purpose === 'batch' && world.fault() && world.chance(0.3),
    };
    this.files.set(file.id, file);
    return file;
  }

  #shown(file: SimFile): FileObject {
    const ready = file.readyAt <= this.#world.now;
    return {
      id: file.id,
      name: file.name,
      bytes: file.content.length,
      status: ready ? (file.broken ? 'error' : 'processed') : 'pending',
      purpose: file.purpose,
      createdAt: file.createdAt,
      expiresAt: null,
    };
  }

  #accept(wanted: NewBatch, file: SimFile): SimBatch {
    const world = this.#world;
    const shard = wanted.metadata.millrace_shard ?? '';
    const attempt = Number(wanted.metadata.millrace_attempt);
    const tokens = Math.ceil(this.#tokensOf(shard) * world.between(1, 1.64));
    const taken = this.enqueued() + this.#manner.foreign;
    const charged = taken + tokens <= this.#manner.limit;
    const words = this.#manner.talkative ? `the configured limit of ${this.#manner.limit}` : '';
    if (!charged && this.#manner.refuses) {
      throw refused(400, 'token_limit_exceeded', true, words);
    }
    const late = world.faulty && world.chance(0.25) ? world.between(0, 5 * MINUTE_MS) : 0;
    const batch: SimBatch = {
      id: `batch_${this.#id()}`,
      shard,
      attempt,
      inputFileId: file.id,
      metadata: wanted.metadata,
      createdAt: Math.floor(world.now / 1000) * 1000,
      visibleAt: world.now + late,
      tokens,
      charged,
      lines: linesOf(file.content),
      status: 'validating',
      dueAt: world.now + world.between(0, 5 * MINUTE_MS),
      fate: 'completed',
      errors: charged ? [] : [{ ...error('token_limit_exceeded'), message: words }],
      output: null,
      error: null,
      endedAt: null,
      forgotten: world.faulty && world.chance(0.01),
    };
    if (world.fault()) batch.fate = world.pick(['failed', 'expired', 'completed'] as const);
    this.batches.push(batch);
    return batch;
  }

  #step(batch: SimBatch): void {
    const at = batch.dueAt;
    switch (batch.status) {
      case 'cancelling':
        this.#end(batch, 'cancelled', this.#some(batch), at);
        break;
      case 'validating':
        this.#validate(batch, at);
        break;
      case 'in_progress':
        if (batch.fate === 'expired') this.#end(batch, 'expired', this.#some(batch), at);
        else this.#enter(batch, 'finalizing', at + this.#world.between(0, 4 * MINUTE_MS));
        break;
      default:
        this.#end(batch, 'completed', batch.lines.length, at);
    }
  }

  #validate(batch: SimBatch, at: number): void {
    const world = this.#world;
    if (batch.errors.length === 0 && batch.fate === 'failed') {
      batch.errors = [error('invalid_request', world.chance(0.5) ? 1 + this.#some(batch) : null)];
    }
    if (batch.errors.length > 0) this.#end(batch, 'failed', 0, at);
    else this.#enter(batch, 'in_progress', at + world.between(0, 20 * MINUTE_MS));
  }

  #enter(batch: SimBatch, status: SimBatch['status'], dueAt: number): void {
    batch.status = status;
    batch.dueAt = dueAt;
  }

  #some(batch: SimBatch): number {
    return Math.floor(this.#world.random() * batch.lines.length);
  }

  #end(batch: SimBatch, status: SimBatch['status'], answered: number, at: number): void {
    const { output, error: errors } = answersOf(batch, answered, this.#world);
    batch.status = status;
    batch.endedAt = at;
    if (output.length > 0)
      batch.output = this.#store(`${batch.id}_output.jsonl`, 'batch_output', output);
    // Azure names an error file on a clean success, and it is empty.
    if (errors.length > 0 || answered > 0) {
      batch.error = this.#store(`${batch.id}_error.jsonl`, 'batch_output', errors);
    }
  }

  #known(id: string): SimBatch {
    const batch = this.batches.find((one) => one.id === id && !one.forgotten);
    if (batch === undefined) throw refused(404, 'http_404', false);
    return batch;
  }

  #object(batch: SimBatch): BatchObject {
    const lines = (file: SimFile | null) =>
      file === null ? 0 : file.content.toString('utf8').split('\n').filter(Boolean).length;
    return {
      id: batch.id,
      status: batch.status,
      endpoint: null,
      inputFileId: batch.inputFileId,
      outputFileId: batch.output?.id ?? null,
      errorFileId: batch.error?.id ?? null,
      createdAt: batch.createdAt,
      endedAt: batch.endedAt,
      expiresAt: batch.createdAt + 24 * 60 * MINUTE_MS,
      errors: batch.errors,
      counts: {
        total: batch.lines.length,
        completed: batch.endedAt === null ? null : lines(batch.output),
        failed: batch.endedAt === null ? null : lines(batch.error),
      },
      metadata: batch.metadata,
    };
  }

  /** Ids whose order says nothing. */
  #id(): string {
    this.#ids += 1;
    return createHash('md5').update(`${this.resource} ${this.#ids}`).digest('hex').slice(0, 12);
  }
}

function linesOf(content: Buffer): Line[] {
  return content
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

function error(code: string, line: number | null = null): BatchError {
  return { code, message: `${code} (simulated)`, line, param: null };
}

export function refused(
  status: number,
  code: string,
  retryable: boolean,
  message = '',
  retryAfterMs?: number,
): ServiceError {
  return new ServiceError(code, `${code} ${message}`, {
    status,
    outcome: 'refused',
    retryable,
    retryAfterMs,
  });
}

function unknown(code: string, status: number | null = null): ServiceError {
  return new ServiceError(code, `${code} (simulated)`, {
    status,
    outcome: 'unknown',
    retryable: true,
  });
}

export function unsent(): ServiceError {
  return new ServiceError('connect_failed', 'simulated', {
    status: null,
    outcome: 'unsent',
    retryable: true,
  });
}
