import pLimit from 'p-limit';
import type { Dispatcher } from 'undici';
import { Agent, EnvHttpProxyAgent, request } from 'undici';
import type { Clock, Random } from '../core/clock.ts';
import { MillraceError, ServiceError } from '../core/errors.ts';
import type { RetryPolicy } from '../core/retry.ts';
import { backoffMs, RETRY_AFTER_CAP_MS, rateLimitWaitMs, retryAfterMs } from '../core/retry.ts';
import type { Answer, Outcome } from './answer.ts';
import { readText } from './answer.ts';
import type { StreamedBody } from './body.ts';
import { jsonBody, watched } from './body.ts';
import type { Authorizer, Header } from './credentials.ts';
import { Deadline } from './deadline.ts';
import type { Endpoint } from './endpoint.ts';
import type { Failure } from './failure.ts';
import { badAnswer, lost, refusal, timedOut } from './failure.ts';

/** One call to the service, before it is sent. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the service's base path; starts with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent block by block; opened anew for each try. */
  readonly body?: StreamedBody;
  /** `safe` calls are tried again, `once` ones never. */
  readonly repeat: 'safe' | 'once';
  /** A status that is an answer to this call, and not a reason to try again. */
  readonly settledBy?: number;
}

export interface TransportOptions {
  readonly endpoint: Endpoint;
  readonly apiVersion: string | null;
  readonly authorizer: Authorizer;
  /** Longest time of one try without an answer, in ms. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  /** Calls on the wire at once; uploads have as many places of their own. */
  readonly concurrency: number;
  /** Replaces the connections, for tests. */
  readonly dispatcher?: Dispatcher | undefined;
}

const MAX_CONNECT_MS = 15 * 1000; // 15 s
const MAX_ERROR_BYTES = 64 * 1024;
/** Of an answer's body, one read of a socket: more would be put together into new buffers. */
const BODY_BUFFER_BYTES = 64 * 1024; // 64 KiB

/**
 * HTTP with the manners of the service: one `run` is one call with its retries, each try with its
 * own credentials and deadline. Throws the caller's abort reason as it is, an error of the body's
 * own source as it is, and a ServiceError for all else.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #shared: Dispatcher;
  /**
   * Without keep-alive, for creates and uploads: an idle connection that dies under a create leaves
   * its end unknown, and one on which a server refused half an upload may never answer again.
   */
  readonly #fresh: Dispatcher;
  readonly #calls;
  readonly #uploads;
  #closed = false;
  /** No call is admitted before, ms: an answer said that it was the last one for now. */
  #admittedAt = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { loopback } = options.endpoint;
    this.#shared = options.dispatcher ?? connect(loopback, options.timeoutMs, true);
    this.#fresh = options.dispatcher ?? connect(loopback, options.timeoutMs, false);
    this.#calls = pLimit(options.concurrency);
    this.#uploads = pLimit(options.concurrency);
  }

  async run<R>(
    call: Call,
    signal: AbortSignal | undefined,
    read: (answer: Answer) => Promise<Outcome<R>>,
  ): Promise<R> {
    const { authorizer, clock, random, retry } = this.#options;
    const limit = call.body === undefined ? this.#calls : this.#uploads;
    let refreshed = false;
    for (let failures = 0; ; ) {
      signal?.throwIfAborted();
      if (this.#closed) throw new MillraceError('closed', 'the service was closed');
      const early = this.#admittedAt - clock.now();
      // One that is further ahead was written before the clock was set back.
      if (early > 0 && early <= RETRY_AFTER_CAP_MS) await clock.sleep(early, signal);
      const header = await this.#credentials(signal);
      // A place is held while a try is on the wire, not while a call waits for the next one.
      const outcome: Outcome<R> =
        'error' in header ? header : await limit(() => this.#try(call, header, signal, read));
      if ('value' in outcome) return outcome.value;
      const { error, again } = outcome;
      if (error.status === 401 && !('error' in header) && !refreshed) {
        // The service did nothing, so that even a create may go again with a new token.
        refreshed = true;
        if (authorizer.refused(header)) continue;
      }
      failures++;
      const last = call.repeat === 'once' || failures >= retry.tries;
      if (!again || last || error.status === call.settledBy) {
        throw failures === 1 ? error : afterTries(error, failures);
      }
      const wait = (error.retryAfterMs ?? 0) + backoffMs(retry, failures - 1, random);
      await clock.sleep(wait, signal);
    }
  }

  /** Cuts everything that is still on the wire; what waits for another try gets none. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#shared.destroy(), this.#fresh.destroy()]);
  }

  async #credentials(signal: AbortSignal | undefined): Promise<Header | Failure> {
    try {
      return await this.#options.authorizer.header(signal);
    } catch (error) {
      if (error instanceof ServiceError) return { error, again: error.retryable };
      throw error;
    }
  }

  async #try<R>(
    call: Call,
    credentials: Header,
    signal: AbortSignal | undefined,
    read: (answer: Answer) => Promise<Outcome<R>>,
  ): Promise<Outcome<R>> {
    const { endpoint, timeoutMs, authorizer, clock } = this.#options;
    const path = endpoint.basePath + call.path;
    const name = `${call.method} ${path}`;
    signal?.throwIfAborted();
    const deadline = new Deadline(signal, timeoutMs);
    const body = call.json === undefined ? call.body : jsonBody(call.json);
    const source = body && watched(body, deadline, timeoutMs);
    let kept = false;
    try {
      const response = await request(endpoint.origin + path + this.#query(call), {
        dispatcher: call.repeat === 'once' || call.body ? this.#fresh : this.#shared,
        method: call.method,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'millrace',
          ...source?.headers,
          ...call.headers,
          [credentials.name]: credentials.value,
        },
        body: source?.stream ?? null,
        signal: deadline.signal,
        headersTimeout: 0, // the deadline counts
        bodyTimeout: 0,
        highWaterMark: BODY_BUFFER_BYTES,
      });
      const { statusCode: status, body: answered } = response;
      // A body that breaks before anybody reads it must not end the process; its reader is told.
      answered.once('error', () => undefined);
      const header = (key: string) => {
        const value = response.headers[key];
        return Array.isArray(value) ? value[0] : value;
      };
      const pause = rateLimitWaitMs(header);
      if (pause !== undefined) this.#admittedAt = clock.now() + pause;
      if (status < 200 || status > 299) {
        const words = await readText(answered, MAX_ERROR_BYTES);
        const wait = retryAfterMs(header, clock.now());
        return refusal(
          name,
          { status, header, body: words, retryAfterMs: wait },
          authorizer.redact,
        );
      }
      if (source?.whole() === false) {
        // A batch made of a part of a file would fail rows that nothing is wrong with.
        answered.destroy();
        return badAnswer(name, status, 'success before it had the whole request');
      }
      return await read({
        call: name,
        status,
        header,
        body: answered,
        deadline,
        destroy: () => answered.destroy(),
        keep: () => {
          kept = true;
        },
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (source?.failure() !== undefined) throw source.failure();
      if (this.#closed)
        throw new MillraceError('closed', `${name} was cut: the service was closed`);
      return deadline.expired
        ? timedOut(name, timeoutMs, source?.begun())
        : lost(name, error, source?.begun());
    } finally {
      source?.stream.destroy();
      if (!kept) deadline[Symbol.dispose]();
    }
  }

  #query(call: Call): string {
    const query = new URLSearchParams(call.query);
    if (this.#options.apiVersion !== null) query.set('api-version', this.#options.apiVersion);
    return query.size === 0 ? '' : `?${query}`;
  }
}

function connect(loopback: boolean, timeoutMs: number, keepAlive: boolean): Dispatcher {
  const options = {
    allowH2: false,
    connect: { timeout: Math.min(MAX_CONNECT_MS, timeoutMs / 2) },
    ...(keepAlive ? {} : { pipelining: 0 }),
  };
  // A proxy never sees what goes to this machine in plain text.
  return loopback ? new Agent(options) : new EnvHttpProxyAgent(options);
}

function afterTries(error: ServiceError, tries: number): ServiceError {
  return new ServiceError(error.code, `${error.message} (tried ${tries} times)`, error);
}
