import type { SealedShard, ShardLimits } from '../core/job.ts';
import type { Endpoint, RequestBody } from '../core/request.ts';
import type { TokenCounter } from '../core/tokens.ts';
import { endpointOfUrl } from '../requests/endpoint.ts';
import { embeddingInputs } from '../requests/inputs.ts';
import { corruptShard } from './format.ts';
import { OpenShard } from './open-shard.ts';
import type { ShardLine } from './reader.ts';

/** Counts a request again: sealed lines do not carry their tokens. */
export type RequestCounter = Pick<TokenCounter, 'countRequest'>;

/** What a row takes of a shard's limits beside its bytes. */
export interface Weight {
  readonly tokens: number;
  /** Texts to embed. */
  readonly inputs: number;
}

export interface RetryOptions {
  /** The job's directory. */
  directory: string;
  limits: ShardLimits;
  counter: RequestCounter;
  /** The name of the next retry shard; called once for each, when its first row comes. */
  nextName: () => string;
}

/**
 * Seals rows that have been sealed before into retry shards, line by line as they are. A shard is
 * closed before a row that would pass a limit, and before one whose id it has already. A row that
 * alone passes a limit (which may have been lowered since) makes a shard of its own: no row is lost.
 */
export class RetryWriter {
  readonly #options: RetryOptions;
  readonly #sealed: SealedShard[] = [];
  #open: OpenShard | null = null;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Rows must come by ordinal within a shard. */
  async add(line: ShardLine, weight: Weight = this.weigh(line)): Promise<void> {
    const { tokens, inputs } = weight;
    const { customId, ordinal, request, recordLine } = line;
    const open = this.#open;
    if (!open?.fits(request.length, tokens, inputs) || !open.claim(customId, ordinal)) {
      await this.close();
      const { directory, limits, nextName } = this.#options;
      this.#open = await OpenShard.create({
        ...{ directory, limits, ordinal },
        name: nextName(),
        jobName: '',
        compared: false,
      });
      this.#open.claim(customId, ordinal);
    }
    await this.#open?.addBytes(request, recordLine, ordinal, tokens, inputs);
  }

  weigh(line: ShardLine): Weight {
    const parsed: unknown = JSON.parse(line.request.toString());
    const { url, body } = parsed as { url: Endpoint; body: RequestBody };
    const endpoint = endpointOfUrl(url);
    if (endpoint === undefined) throw corruptShard('a left-over row', 1, 'it names no endpoint');
    const tokens = this.#options.counter.countRequest(endpoint, body);
    return { tokens, inputs: embeddingInputs(endpoint, body.input) };
  }

  /** Seals what is open; the next row begins another shard. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    if (open !== null) this.#sealed.push((await open.seal(null)).shard);
  }

  /** Seals the rest and gives every shard. */
  async finish(): Promise<SealedShard[]> {
    await this.close();
    return this.#sealed;
  }

  /** Removes what is not sealed. */
  async abort(): Promise<void> {
    await this.#open?.discard();
    this.#open = null;
  }
}
