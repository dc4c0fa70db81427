import type { SealedShard, ShardLimits } from '../core/job.ts';
import { MAX_EMBEDDING_INPUTS } from '../requests/inputs.ts';
import { LINE_HEADROOM_BYTES } from './limits.ts';
import { LineFile } from './line-file.ts';
import { shardPaths } from './paths.ts';
import type { SealedLines } from './serialise.ts';
import type { SplicedLines } from './spliced-lines.ts';

export interface OpenShardOptions {
  /** The job's directory, or null to find the hashes without writing. */
  directory: string | null;
  name: string;
  limits: ShardLimits;
  jobName: string;
  /** Of the first request. */
  ordinal: number;
  /** Whether somebody will compare the records by their hash. */
  compared: boolean;
}

/** A shard that is being written: its two files, its sums and its ids. */
export class OpenShard {
  readonly #options: OpenShardOptions;
  readonly #requests: LineFile;
  readonly #records: LineFile;
  /** Ids so far; null as long as all of them are `<jobName>-<ordinal>`, which cannot meet. */
  #ids: Set<string> | null = null;
  #count = 0;
  #tokens = 0;
  /** Texts to embed; 0 for other endpoints. */
  #inputs = 0;
  #lastOrdinal: number;

  private constructor(options: OpenShardOptions, requests: LineFile, records: LineFile) {
    this.#options = options;
    this.#requests = requests;
    this.#records = records;
    this.#lastOrdinal = options.ordinal;
  }

  static async create(options: OpenShardOptions): Promise<OpenShard> {
    const { directory, name, compared } = options;
    const paths = directory === null ? null : shardPaths(directory, name);
    const records = await LineFile.create(paths?.records ?? null, compared);
    try {
      const requests = await LineFile.create(paths?.requests ?? null, paths !== null);
      return new OpenShard(options, requests, records);
    } catch (error) {
      await records.discard();
      throw error;
    }
  }

  /** Why a request of this size can be in no shard at all, or null when it can. */
  static alone(bytes: number, tokens: number, inputs: number, limits: ShardLimits): string | null {
    const size = bytes + 1 + LINE_HEADROOM_BYTES;
    if (size > limits.maxBytes) {
      return `takes ${size} bytes, more than the ${limits.maxBytes} of a shard`;
    }
    if (inputs > MAX_EMBEDDING_INPUTS) {
      return `has ${inputs} inputs, more than the ${MAX_EMBEDDING_INPUTS} of a batch`;
    }
    const maxTokens = limits.maxRequestTokens ?? limits.maxTokens;
    if (tokens <= maxTokens) return null;
    return `has ${tokens} input tokens, more than the ${maxTokens} that one may have`;
  }

  /** Whether one more request of this size stays within every limit. */
  fits(bytes: number, tokens: number, inputs: number): boolean {
    const { maxRequests, maxBytes, maxTokens } = this.#options.limits;
    const count = this.#count + 1;
    return (
      count <= maxRequests &&
      this.#inputs + inputs <= MAX_EMBEDDING_INPUTS &&
      this.#requests.bytes + bytes + 1 + count * LINE_HEADROOM_BYTES <= maxBytes &&
      // What passes this limit alone was let through by `alone`.
      (this.#count === 0 || this.#tokens + tokens <= maxTokens)
    );
  }

  /** Takes the user's own id for this shard, or for null the one made; false when it is taken. */
  claim(own: string | null, ordinal: number): boolean {
    if (this.#ids === null) {
      if (own === null) return true;
      this.#ids = this.#madeIds(ordinal);
    }
    const id = own ?? `${this.#options.jobName}-${ordinal}`;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    return true;
  }

  add(lines: SealedLines, ordinal: number, tokens: number, inputs: number): void | Promise<void> {
    this.#take(ordinal, tokens, inputs);
    return both(
      this.#requests.add(lines.request, lines.requestBytes),
      this.#records.add(lines.record, lines.recordBytes),
    );
  }

  /** As `add`, of two lines that are bytes already, without their newlines. */
  addBytes(
    request: Uint8Array,
    record: Uint8Array,
    ordinal: number,
    tokens: number,
    inputs: number,
  ): void | Promise<void> {
    this.#take(ordinal, tokens, inputs);
    return both(this.#requests.addBytes(request), this.#records.addBytes(record));
  }

  /** Whether spliced lines can be written here. */
  get placed(): boolean {
    return this.#requests.placed && this.#records.placed;
  }

  /** As `add`, of the request that was measured; false when `flush` has to make room first. */
  addSpliced(lines: SplicedLines, ordinal: number, tokens: number, inputs: number): boolean {
    if (!lines.write(this.#requests, this.#records)) return false;
    this.#take(ordinal, tokens, inputs);
    return true;
  }

  /** Makes room for the lines that were measured. */
  async flush({ requestBytes, recordBytes }: SplicedLines): Promise<void> {
    if (this.#requests.roomFor(requestBytes) === 0) await this.#requests.flush();
    if (this.#records.roomFor(recordBytes) === 0) await this.#records.flush();
  }

  /** Makes both files durable, the records first: a request file never stands alone. */
  async seal(partition: string | null): Promise<{ shard: SealedShard; recordsHash: string }> {
    const recordsHash = await this.#records.commit();
    const shard: SealedShard = {
      name: this.#options.name,
      partition,
      requests: this.#count,
      bytes: this.#requests.bytes,
      tokens: this.#tokens,
      sha256: await this.#requests.commit(),
      firstOrdinal: this.#options.ordinal,
      lastOrdinal: this.#lastOrdinal,
    };
    return { shard, recordsHash };
  }

  async discard(): Promise<void> {
    await this.#records.discard();
    await this.#requests.discard();
  }

  #take(ordinal: number, tokens: number, inputs: number): void {
    this.#count++;
    this.#tokens += tokens;
    this.#inputs += inputs;
    this.#lastOrdinal = ordinal;
  }

  /** The ids made so far, once the first of the user's own has to be compared with them. */
  #madeIds(ordinal: number): Set<string> {
    const ids = new Set<string>();
    if (this.#count === 0) return ids;
    for (let n = this.#options.ordinal; n < ordinal; n++) ids.add(`${this.#options.jobName}-${n}`);
    return ids;
  }
}

function both(a: void | Promise<void>, b: void | Promise<void>): void | Promise<void> {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return Promise.all([a, b]).then(() => undefined);
}
