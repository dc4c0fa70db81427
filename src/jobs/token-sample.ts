import { seededRandom } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import { RejectedRecord } from '../core/record.ts';
import type { Endpoint, RequestBody } from '../core/request.ts';
import { SplicedRequest } from '../requests/splice/spliced-request.ts';
import type { SealItem } from '../shards/writer.ts';
import type { JobCounter } from './counted.ts';

/** Fewer say too little about how far off they are. */
const FEWEST = 30;
/** Standard errors within which 95 of 100 samples lie. */
const BOUND = 1.96;
/** The same source gives the same sample. */
const SEED = 0x5a4d;

/** What a sample tells of all requests. */
export interface SampleResult {
  /** Requests that were counted. */
  readonly requests: number;
  readonly tokens: number;
  /** The true number is within so many tokens of it for 95 of 100 samples; 0 when all were counted. */
  readonly tokenError: number;
}

/**
 * Counts a random sample of requests exactly, each request as likely as any other, and tells the
 * tokens of all from it: by the tokens for each byte of the sample, as the bytes of all are known.
 * The requests that are not counted get what the sample so far says of their size.
 */
export class TokenSample {
  readonly #size: number;
  readonly #tokens: Float64Array;
  readonly #bytes: Float64Array;
  readonly #random = seededRandom(SEED);
  #seen = 0;
  #allBytes = 0;
  #sampleTokens = 0;
  #sampleBytes = 0;
  /** Where the next request goes in the sample, or -1 when it is not part of it. */
  #slot = 0;
  /** Whether what is asked now is counted. */
  #exact = true;

  /** Throws a UsageError for a size that says nothing. */
  constructor(size: number) {
    if (!Number.isSafeInteger(size) || size < FEWEST) {
      throw new UsageError(`a sample needs at least ${FEWEST} requests to tell how far off it is`);
    }
    this.#size = size;
    this.#tokens = new Float64Array(size);
    this.#bytes = new Float64Array(size);
  }

  /** A counter that counts what is in the sample. What is asked before the next request is counted. */
  counter(exact: JobCounter): JobCounter {
    this.#exact = true;
    return {
      ...exact,
      countUtf8: (bytes, start = 0, end = bytes.length) =>
        this.#exact ? exact.countUtf8(bytes, start, end) : this.#guess(end - start),
      countRequest: (endpoint: Endpoint, body: RequestBody) =>
        this.#exact ? exact.countRequest(endpoint, body) : this.#guess(bytesOf(body)),
    };
  }

  /** Takes each item when it is made, and chooses whether the next one is counted. */
  add(item: SealItem): void {
    if (item instanceof RejectedRecord) return;
    const bytes = item instanceof SplicedRequest ? item.bodyBytes : bytesOf(item.body);
    this.#allBytes += bytes;
    if (this.#slot !== -1) {
      this.#sampleTokens += item.tokens - this.#tokens[this.#slot]!;
      this.#sampleBytes += bytes - this.#bytes[this.#slot]!;
      this.#tokens[this.#slot] = item.tokens;
      this.#bytes[this.#slot] = bytes;
    }
    this.#seen++;
    // The n-th request replaces one of the sample with a chance of size / n.
    const slot =
      this.#seen < this.#size ? this.#seen : Math.floor(this.#random() * (this.#seen + 1));
    this.#slot = slot < this.#size ? slot : -1;
    this.#exact = this.#slot !== -1;
  }

  /** Of `requests` that were sealed: what is refused later, such as an id that is there twice, is left out. */
  result(requests: number): SampleResult {
    const counted = Math.min(this.#seen, this.#size);
    if (counted === 0) return { requests: 0, tokens: 0, tokenError: 0 };
    const ratio = this.#sampleTokens / this.#sampleBytes;
    let squares = 0;
    for (let i = 0; i < counted; i++) squares += (this.#tokens[i]! - ratio * this.#bytes[i]!) ** 2;
    const unseen = 1 - counted / this.#seen;
    const spread = Math.sqrt((unseen / counted) * (squares / Math.max(counted - 1, 1)));
    const sealed = requests / this.#seen;
    return {
      requests: counted,
      tokens: Math.round(sealed * ratio * this.#allBytes),
      tokenError: Math.ceil(sealed * BOUND * this.#seen * spread),
    };
  }

  #guess(bytes: number): number {
    return Math.round((this.#sampleTokens / this.#sampleBytes) * bytes);
  }
}

function bytesOf(body: RequestBody): number {
  return Buffer.byteLength(JSON.stringify(body));
}
