import { join } from 'node:path';
import { MillraceError } from '../core/errors.ts';
import type { PartitionProgress, SealedShard, ShardLimits } from '../core/job.ts';
import { type Position, RejectedRecord, type RowError } from '../core/record.ts';
import type { CountedItem, CountedRequest } from '../core/request.ts';
import type { ResultRow } from '../core/result.ts';
import { embeddingInputs } from '../requests/inputs.ts';
import { describePosition } from '../requests/position.ts';
import { SplicedRequest } from '../requests/splice/spliced-request.ts';
import { TemplateCache } from '../requests/splice/template-cache.ts';
import { makePrivateDirectory } from '../streams/files.ts';
import { OpenShard } from './open-shard.ts';
import { rejectedPath, shardName } from './paths.ts';
import { chainHash, emptyProgress, sameProgress } from './progress.ts';
import { RejectedFile } from './rejected-file.ts';
import { type JobHead, recordJson, refuse, serialise } from './serialise.ts';
import { SplicedLines } from './spliced-lines.ts';

/** What can be sealed. */
export type SealItem = CountedItem<unknown> | SplicedRequest;

export interface SealingOptions {
  /** The job's directory, or null to learn what would be sealed without writing it. */
  directory: string | null;
  /** The partition's name, which its shards are named after. */
  partition: string;
  /** Makes the `custom_id` of requests that have none: `<jobName>-<ordinal>`. */
  jobName: string;
  limits: ShardLimits;
  /** Ordinal of the partition's first record. */
  firstOrdinal: number;
  /** How far the partition is sealed; `emptyProgress()` at first. */
  progress: PartitionProgress;
  /**
   * Called after the files of a shard are durable, with what is sealed now; resolves when that is
   * remembered. The shard is null when only rejected records came since the last seal.
   */
  onSeal(shard: SealedShard | null, progress: PartitionProgress): Promise<void>;
  /** The endpoint and model of every line. Default: those of the first request. */
  head?: JobHead | undefined;
  /** Throw at the first rejected record. Default false. */
  strict?: boolean | undefined;
  /** Called with each record that is rejected, its reason and where it lies. */
  onReject?: ((error: RowError, position: Position) => void) | undefined;
  /**
   * The items come again from the partition's start (standard input, iterables): what was sealed is
   * sealed once more without being written, compared by hash, and skipped. Default false: the
   * items begin at `progress.resumeAt`.
   */
  verify?: boolean | undefined;
  /** Nothing may come behind what is verified. Default false. */
  complete?: boolean | undefined;
  /**
   * Whether `verify` may ever be asked for; false saves the hash of the records, where a restart
   * always begins at `progress.resumeAt`. Default true.
   */
  compared?: boolean | undefined;
}

/**
 * Writes the items of one partition into sealed shards. A shard is closed before the item that
 * would pass one of the limits, so that the same items make the same shards, whenever and however
 * often they are prepared; a restart goes on from the last seal and overwrites what was left.
 *
 * Throws `source_changed` when a source that is supplied again is another one, and with `strict`
 * the first rejected record's own code. After a throw, call `abort`.
 */
export class SealingWriter {
  readonly #options: SealingOptions;
  #head: JobHead | undefined;
  /** What is sealed, and remembered unless it is being verified. */
  #progress: PartitionProgress;
  /** What the source must give again before anything new is written; null when it has. */
  #expected: PartitionProgress | null;
  #open: OpenShard | null = null;
  #rejected: RejectedFile;
  #begun = false;
  /** Of what came since the last seal. */
  #records = 0;
  #rejectedRecords = 0;
  #row: number;
  #nextByte: number | null;
  /** Null where there is no room for them. */
  readonly #lines: TemplateCache<SplicedLines | null>;

  constructor(options: SealingOptions) {
    const { progress, verify } = options;
    this.#options = options;
    this.#lines = new TemplateCache((template) => SplicedLines.open(template, options.jobName));
    this.#head = options.head;
    this.#expected = verify === true && progress.records > 0 ? progress : null;
    this.#progress = this.#expected === null ? progress : emptyProgress();
    this.#rejected = this.#rejectedFile();
    this.#row = progress.row;
    this.#nextByte = progress.resumeAt;
  }

  /** The endpoint and model of the lines; undefined before the first request. */
  get head(): JobHead | undefined {
    return this.#head;
  }

  /** What is sealed. */
  get progress(): PartitionProgress {
    return this.#expected ?? this.#progress;
  }

  /**
   * Takes the next item. `nextByte` is where the record after it starts in the source, or null
   * when that is not known. Await the promise, if there is one, before the next call.
   */
  add(item: SealItem, nextByte: number | null): void | Promise<void> {
    if (this.#options.complete === true && this.#expected === null) {
      throw this.#changed('it has more records now');
    }
    if (!this.#begun) return this.#begin().then(() => this.add(item, nextByte));
    if (item instanceof SplicedRequest) return this.#addSpliced(item, nextByte);
    if (item instanceof RejectedRecord) {
      return this.#reject(item.record, item.customId, item.error, item.position, nextByte);
    }
    const ordinal = this.#nextOrdinal();
    const customId = item.customId ?? `${this.#options.jobName}-${ordinal}`;
    this.#head ??= { endpoint: item.endpoint, model: item.body.model };
    const lines = serialise(item, ordinal, customId, this.#head);
    if ('code' in lines) return this.#rejectRequest(item, customId, lines, nextByte);
    const { tokens } = item;
    const inputs = embeddingInputs(item.endpoint, item.body.input);
    const tooLarge = OpenShard.alone(lines.requestBytes, tokens, inputs, this.#options.limits);
    if (tooLarge !== null) {
      const error = refuse(item, 'request_too_large', `${tooLarge}; no shard can hold it`);
      return this.#rejectRequest(item, customId, error, nextByte);
    }
    if (this.#open?.fits(lines.requestBytes, tokens, inputs) !== true) {
      return this.#roll(ordinal).then(() => this.add(item, nextByte));
    }
    if (!this.#open.claim(item.customId, ordinal)) {
      const error = refuse(item, 'duplicate_custom_id', 'has an id that its shard has already');
      return this.#rejectRequest(item, customId, error, nextByte);
    }
    const written = this.#open.add(lines, ordinal, tokens, inputs);
    return this.#count(item.position, nextByte, written);
  }

  /** The way of `add` for a request that is bytes already; what is not plain sailing goes the other. */
  #addSpliced(item: SplicedRequest, nextByte: number | null): void | Promise<void> {
    const { position, template, tokens } = item;
    this.#head ??= template;
    if (this.#head.endpoint !== template.endpoint || this.#head.model !== template.model) {
      return this.add(item.unsplice(), nextByte);
    }
    const ordinal = this.#nextOrdinal();
    const lines = this.#lines.get(template);
    if (lines === null) return this.add(item.unsplice(), nextByte);
    lines.measure(item, ordinal);
    const bytes = lines.requestBytes - 1;
    const { inputs } = template;
    const { limits } = this.#options;
    if (!lines.small || OpenShard.alone(bytes, tokens, inputs, limits) !== null) {
      return this.add(item.unsplice(), nextByte);
    }
    const open = this.#open;
    if (open?.fits(bytes, tokens, inputs) !== true) {
      return this.#roll(ordinal).then(() => this.add(item, nextByte));
    }
    if (!open.placed || !open.claim(item.customId, ordinal)) {
      return this.add(item.unsplice(), nextByte);
    }
    if (open.addSpliced(lines, ordinal, tokens, inputs)) {
      return this.#count(position, nextByte, undefined);
    }
    return open.flush(lines).then(() => {
      open.addSpliced(lines, ordinal, tokens, inputs);
      return this.#count(position, nextByte, undefined);
    });
  }

  /** Seals what is open and returns the whole partition's progress. */
  async finish(): Promise<PartitionProgress> {
    if (!this.#begun) await this.#begin();
    if (this.#expected !== null) {
      const read = this.#progress.records + this.#records;
      throw this.#changed(`it ended after ${read} records`);
    }
    if (this.#records > 0) await this.#seal();
    await this.#rejected.close();
    this.#lines.close();
    return this.#progress;
  }

  /** Removes what is not sealed. Safe to call at any time, also twice. */
  async abort(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.discard();
    await this.#rejected.close();
    this.#lines.close();
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    const { directory } = this.#options;
    if (directory !== null) await makePrivateDirectory(join(directory, 'shards'));
    await this.#rejected.restore();
  }

  #rejectedFile(): RejectedFile {
    const { directory, partition, complete } = this.#options;
    const written = this.#expected === null && directory !== null && complete !== true;
    const path = written ? rejectedPath(directory, partition) : null;
    return new RejectedFile(path, this.#progress.rejectedBytes);
  }

  #nextOrdinal(): number {
    return this.#options.firstOrdinal + this.#progress.records + this.#records;
  }

  #rejectRequest(
    item: CountedRequest<unknown>,
    customId: string,
    error: RowError,
    nextByte: number | null,
  ): void | Promise<void> {
    return this.#reject(item.record, customId, error, item.position, nextByte);
  }

  #reject(
    record: unknown,
    customId: string | null,
    error: RowError,
    position: Position,
    nextByte: number | null,
  ): void | Promise<void> {
    if (this.#options.strict === true) {
      // Most reasons name the record already, since they stand in its row too.
      const where = describePosition(position);
      const named = error.message.includes(where) ? error.message : `${where}: ${error.message}`;
      throw new MillraceError(error.code, named);
    }
    const written = this.#rejected.add(
      rejectedRow(this.#nextOrdinal(), customId, record, error.code, error.message),
    );
    this.#rejectedRecords++;
    this.#options.onReject?.(error, position);
    return this.#count(position, nextByte, written);
  }

  #count(
    position: Position,
    nextByte: number | null,
    written: void | Promise<void>,
  ): void | Promise<void> {
    this.#records++;
    this.#row = position.row;
    this.#nextByte = nextByte;
    const expected = this.#expected;
    if (expected === null || this.#progress.records + this.#records < expected.records) {
      return written;
    }
    return Promise.resolve(written).then(() => this.#verify(expected));
  }

  async #roll(ordinal: number): Promise<void> {
    if (this.#open !== null) await this.#seal();
    const { directory, partition, limits, jobName } = this.#options;
    const name = shardName(partition, this.#progress.shards);
    const where = this.#expected === null ? directory : null;
    const closing = { ...limits, maxRequests: this.#requestsToTake(limits) };
    this.#open = await OpenShard.create({
      directory: where,
      name,
      limits: closing,
      jobName,
      ordinal,
      compared: this.#options.compared ?? true,
    });
  }

  /** Requests of the next shard at most: the last shard of a sample ends with the sample. */
  #requestsToTake({ maxRequests, sampleRequests = 0 }: ShardLimits): number {
    const left = this.#options.firstOrdinal === 0 ? sampleRequests - this.#progress.requests : 0;
    return left > 0 ? Math.min(maxRequests, left) : maxRequests;
  }

  async #seal(): Promise<void> {
    const rejectedHash = await this.#rejected.seal();
    const sealed = (await this.#open?.seal(this.#options.partition)) ?? null;
    this.#open = null;
    const before = this.#progress;
    const progress: PartitionProgress = {
      shards: before.shards + (sealed === null ? 0 : 1),
      records: before.records + this.#records,
      requests: before.requests + (sealed?.shard.requests ?? 0),
      rejected: before.rejected + this.#rejectedRecords,
      bytes: before.bytes + (sealed?.shard.bytes ?? 0),
      tokens: before.tokens + (sealed?.shard.tokens ?? 0),
      sha256: chainHash(before.sha256, sealed?.recordsHash ?? '', rejectedHash),
      rejectedBytes: this.#rejected.bytes,
      resumeAt: this.#nextByte,
      row: this.#row,
    };
    if (this.#expected === null) await this.#options.onSeal(sealed?.shard ?? null, progress);
    this.#progress = progress;
    this.#records = 0;
    this.#rejectedRecords = 0;
  }

  async #verify(expected: PartitionProgress): Promise<void> {
    await this.#seal();
    if (!sameProgress(this.#progress, expected)) {
      throw this.#changed('its records, or the requests built from them, are not the same');
    }
    this.#progress = expected;
    this.#expected = null;
    this.#rejected = this.#rejectedFile();
    await this.#rejected.restore();
  }

  #changed(how: string): MillraceError {
    return new MillraceError(
      'source_changed',
      `${this.#options.progress.records} records of ${this.#options.partition} were sealed before, ` +
        `but the source that was supplied again differs: ${how}. ` +
        'Supply the same source and request, or prepare in a new job directory',
    );
  }
}

function rejectedRow(
  ordinal: number,
  customId: string | null,
  record: unknown,
  code: string,
  message: string,
): string {
  const row: ResultRow = {
    ordinal,
    custom_id: customId,
    status: 'rejected',
    record: jsonOrNull(record),
    response: null,
    error: { code, message },
    attempts: [],
  };
  return JSON.stringify(row);
}

/** A record that JSON cannot hold is why its request was refused; its row still has to be written. */
function jsonOrNull(record: unknown): unknown {
  try {
    recordJson(record);
    return record ?? null;
  } catch {
    return null;
  }
}
