import type { RowError } from '../core/record.ts';
import type { RowAttempt } from '../core/result.ts';
import { takeRoughly } from '../streams/spare-buffers.ts';
import type { AnswerIndex } from './answers.ts';
import type { JoinOptions, JoinSummary } from './join-shard.ts';
import { judgeAnswer, MISSING } from './outcome.ts';
import { joinPaths } from './paths.ts';
import { type FinishedFile, RowFile } from './row-file.ts';
import { ROW_BYTES, RowIndex } from './row-index.ts';
import { FAILED_AND_RECORD, OK_AND_RECORD, okEnd, startResponse, startRow } from './row-lines.ts';
import type { ShardIds } from './shard-ids.ts';
import type { ShardRow } from './shard-rows.ts';
import type { Output, OutputReader } from './structured-output.ts';

/** A join that has only to become durable and visible. */
export interface FinishedJoin {
  readonly files: readonly FinishedFile[];
  readonly summary: JoinSummary;
}

/** The rows of one shard on their way into its files. */
export class ShardJoin {
  readonly #options: JoinOptions;
  readonly #index: AnswerIndex;
  readonly #ids: ShardIds;
  readonly #indexPath: string;
  readonly #results: RowFile;
  readonly #leftover: PairFile;
  readonly #failed: PairFile;
  /** How the line of an ok row without a history ends. */
  readonly #firstTryEnd: Buffer;
  readonly #failedCodes = new Map<string, number>();
  readonly #recordBytes: number;
  readonly #defers: boolean;
  #ok = 0;
  #missing = 0;

  constructor(options: JoinOptions, index: AnswerIndex, ids: ShardIds, recordBytes: number) {
    const paths = joinPaths(options.directory, options.name);
    this.#options = options;
    this.#index = index;
    this.#ids = ids;
    this.#recordBytes = recordBytes;
    const { deferFrom = Number.POSITIVE_INFINITY, readOutput = null } = options;
    this.#defers = readOutput === null && recordBytes + index.reader.bytes >= deferFrom;
    this.#indexPath = paths.index;
    this.#results = new RowFile(paths.results);
    this.#leftover = new PairFile(paths.leftoverRequests, paths.leftoverRecords);
    this.#failed = new PairFile(paths.failedRequests, paths.failedRecords);
    this.#firstTryEnd = Buffer.from(okEnd([this.#attempt('ok')]));
  }

  /** The places of the rows that are not left where they are. */
  *toWrite(): Generator<number, void, undefined> {
    for (let row = 0; row < this.#ids.rows; row++) {
      if (!this.#defers || !this.#index.isOk(this.#ids.numberOf(row))) yield row;
    }
  }

  add(row: ShardRow, place: number): void | Promise<void> {
    const number = this.#ids.numberOf(place);
    const entry = this.#index.has(number) ? number : -1;
    if (entry !== -1 && this.#index.isOk(entry)) {
      const { readOutput = null } = this.#options;
      return readOutput === null ? this.#addOk(row, entry) : this.#addRead(row, entry, readOutput);
    }

    const lineError = this.#options.lineErrors?.get(place + 1);
    if (lineError !== undefined) return this.#addFailed(row, entry, lineError);
    if (entry === -1) {
      this.#missing++;
      const charged = this.#options.chargeAttempt !== false;
      return this.#decide(row, entry, MISSING, null, true, charged);
    }
    const outcome = judgeAnswer(this.#index.parse(entry));
    // The index goes by the same rule over the same bytes, so this is a failure.
    if (outcome.ok) return this.#addOk(row, entry);
    const { error, status, retryable } = outcome;
    const charged = this.#options.chargeAttempt !== false || error.code !== 'batch_cancelled';
    return this.#decide(row, entry, error, status, retryable, charged);
  }

  /** Takes the last rows; neither the answers nor what was found in them are looked at any more. */
  async finish(): Promise<FinishedJoin> {
    const index = this.#deferred();
    const { deferred } = index.head;
    const rowsAside = [this.#leftover, this.#failed].map((pair) => pair.finish());
    const files = [...(await Promise.all(rowsAside)).flat(), await this.#results.finish()];
    const file = deferred === 0 ? null : await index.write(this.#indexPath);
    index.end();
    const { rows } = this.#ids;
    const summary = {
      rows,
      ok: this.#ok + deferred,
      failed: this.#failed.lines,
      leftover: this.#leftover.lines,
      usage: { ...this.#index.usage },
      anomalies: {
        unknown: this.#index.unknown,
        ...this.#index.anomalies,
        missing: this.#missing,
      },
      failedCodes: Object.fromEntries(this.#failedCodes),
    };
    return { files: [...files, { path: this.#indexPath, file }], summary };
  }

  /** Leaves nothing of an unfinished join. */
  async discard(): Promise<void> {
    await this.#leftover.discard();
    await this.#failed.discard();
    await this.#results.discard();
  }

  /** Where the ok rows lie that are not written. */
  #deferred(): RowIndex {
    const index = this.#index;
    const { rows, prefix, idEnds, ids } = this.#ids;
    const { batch, at } = this.#options;
    const room = takeRoughly(rows * ROW_BYTES);
    const starts = new Float64Array(room.buffer, 0, rows).fill(0);
    const lengths = new Uint32Array(room.buffer, 8 * rows, rows).fill(0);
    let deferred = 0;
    for (let row = 0; this.#defers && row < rows; row++) {
      const entry = this.#ids.numberOf(row);
      if (!index.isOk(entry)) continue;
      starts[row] = index.responseStart(entry);
      lengths[row] = index.responseLength(entry);
      deferred++;
    }
    const { outputBytes, errorBytes } = index.reader;
    const files = { recordBytes: this.#recordBytes, outputBytes, errorBytes };
    const head = { version: 1, rows, deferred, batch, at, prefix, ...files } as const;
    return new RowIndex(head, starts, lengths, idEnds, ids, room);
  }

  #decide(
    row: ShardRow,
    entry: number,
    error: RowError,
    status: number | null,
    retryable: boolean,
    charged: boolean,
  ): void | Promise<void> {
    const again = this.#options.retryOverride?.(error.code, status) ?? retryable;
    const attempts = charged ? [...row.attempts, this.#attempt(error.code)] : row.attempts;
    if (!again || (charged && attempts.length >= this.#options.maxAttempts)) {
      return this.#addFailed(row, entry, error);
    }
    return this.#leftover.add(row, attempts);
  }

  /** An ok answer whose output has to be read: without a usable one the row has failed. */
  #addRead(row: ShardRow, entry: number, readOutput: OutputReader): void | Promise<void> {
    const line = this.#index.parse(entry) as { response: { status_code: number; body: unknown } };
    const { status_code: status, body } = line.response;
    const output = readOutput(body);
    return output instanceof Promise
      ? output.then((read) => this.#addOutput(row, entry, status, read))
      : this.#addOutput(row, entry, status, output);
  }

  #addOutput(row: ShardRow, entry: number, status: number, output: Output): void | Promise<void> {
    if (output.kind === 'unusable') {
      const { retryMismatch = false } = this.#options;
      return this.#decide(row, entry, output.error, status, retryMismatch, true);
    }
    return this.#addOk(row, entry, output.kind === 'value' ? JSON.stringify(output.value) : null);
  }

  #addOk(row: ShardRow, entry: number, output: string | null = null): void | Promise<void> {
    const { block } = this.#results;
    this.#ok++;
    startRow(block, row, row.request.buffer, row.idStart, row.idEnd, OK_AND_RECORD);
    this.#addResponse(entry);
    if (output === null && row.attempts.length === 0) block.bytes(this.#firstTryEnd);
    else block.text(okEnd([...row.attempts, this.#attempt('ok')], output));
    return this.#results.drain();
  }

  async #addFailed(row: ShardRow, entry: number, error: RowError): Promise<void> {
    const { block } = this.#results;
    const attempts = [...row.attempts, this.#attempt(error.code)];
    startRow(block, row, row.request.buffer, row.idStart, row.idEnd, FAILED_AND_RECORD);
    if (entry === -1 || this.#index.responseLength(entry) === 0) block.bytes(NO_RESPONSE);
    else this.#addResponse(entry);
    const reason = JSON.stringify({ code: error.code, message: error.message });
    block.text(`,"error":${reason},"attempts":${JSON.stringify(attempts)}}\n`);
    this.#failedCodes.set(error.code, (this.#failedCodes.get(error.code) ?? 0) + 1);
    await this.#results.drain();
    await this.#failed.add(row, attempts);
  }

  #addResponse(entry: number): void {
    const { block } = this.#results;
    const length = this.#index.responseLength(entry);
    startResponse(block, length);
    this.#index.reader.read(this.#index.responseStart(entry), length, block.buffer, block.length);
    block.length += length;
  }

  #attempt(code: string): RowAttempt {
    return { batch: this.#options.batch, code, at: this.#options.at };
  }
}

const NO_RESPONSE = Buffer.from(',"response":null');

/** A request file and its record file, line for line. */
class PairFile {
  lines = 0;
  readonly #requests: RowFile;
  readonly #records: RowFile;

  constructor(requests: string, records: string) {
    this.#requests = new RowFile(requests);
    this.#records = new RowFile(records);
  }

  async add(row: ShardRow, attempts: readonly RowAttempt[]): Promise<void> {
    this.lines++;
    const { request, recordLine } = row;
    this.#requests.block.bytes(request.buffer, request.start, request.end + 1);
    const records = this.#records.block;
    records.bytes(recordLine.buffer, recordLine.start, row.recordEnd);
    records.text(attempts.length === 0 ? '}\n' : `,"attempts":${JSON.stringify(attempts)}}\n`);
    await this.#requests.drain();
    await this.#records.drain();
  }

  async finish(): Promise<FinishedFile[]> {
    return [await this.#records.finish(), await this.#requests.finish()];
  }

  async discard(): Promise<void> {
    await this.#requests.discard();
    await this.#records.discard();
  }
}
