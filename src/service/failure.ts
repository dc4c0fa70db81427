import type { ServiceFailure } from '../core/errors.ts';
import { errorCode, errorMessage, ServiceError } from '../core/errors.ts';
import { object, text } from './wire.ts';

/** One try that failed: the error, and whether a call that is safe to repeat goes on after it. */
export interface Failure {
  readonly error: ServiceError;
  readonly again: boolean;
}

/** An answer that was read whole and is not a 2xx. */
export interface Refusal {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** The body, or its beginning. */
  readonly body: string;
  /** What `retry-after` and its kin ask for, in ms. */
  readonly retryAfterMs: number | undefined;
}

const MAX_WORDS = 300; // characters of the service's own words in a message
const RETRY_STATUSES: ReadonlySet<number> = new Set([408, 409, 429]);

/** What a person can do about a status, where there is more to say than the service does. */
const HINTS: Readonly<Record<number, string>> = {
  401: 'check the key or --auth, and that it belongs to this resource',
  403: 'the identity needs a role on the resource that allows batch, such as Cognitive Services OpenAI Contributor',
};

/** The failure that a non-2xx answer stands for. `call` is method and path. */
export function refusal(call: string, answer: Refusal, redact: (text: string) => string): Failure {
  const { status } = answer;
  const id = answer.header('apim-request-id') ?? answer.header('x-request-id');
  const requestId = id === undefined ? undefined : shorten(redact(id));
  if (status >= 300 && status < 400) {
    return {
      again: false,
      error: new ServiceError(
        'redirected',
        `${call} answered ${status}, a redirect to ${redirectHost(answer.header('location'))}. It is not followed, as the ` +
          'credentials would go along: name the final address as the service',
        { status, outcome: 'refused', requestId },
      ),
    };
  }
  const said = wordsOf(answer.body, answer.header('content-type'));
  const words = shorten(redact(said.words));
  const code = codeOf(status, said.code, said.words);
  const again = shouldRetry(answer);
  const hint = HINTS[status];
  const message =
    `${call} answered ${status}${code === `http_${status}` ? '' : ` ${code}`}` +
    (words === '' ? '' : `: ${words}`) +
    (hint === undefined ? '' : ` – ${hint}`) +
    (requestId === undefined ? '' : ` (request id ${requestId})`);
  const details: ServiceFailure = {
    status,
    // A gateway that answers 5xx may have passed the request on.
    outcome: status < 500 ? 'refused' : 'unknown',
    retryable: again || code === 'token_limit_exceeded' || /'pending' state/.test(said.words),
    retryAfterMs: answer.retryAfterMs,
    requestId,
  };
  return { error: new ServiceError(redact(code), message, details), again };
}

/**
 * The failure of a try that got no answer, or only part of one. `begun` tells whether its body was
 * asked for, where that is known: if not, nothing has left, whatever the network calls the reason.
 */
export function lost(call: string, cause: unknown, begun?: boolean): Failure {
  const unsent = begun === false || neverConnected(cause);
  const reason = errorCode(cause) ?? '';
  const words = shorten(errorMessage(cause)) || reason;
  const message = unsent
    ? `${call} could not connect: ${words}. Check the address, the network and HTTPS_PROXY`
    : `${call} lost its connection before the answer was whole: ${words}`;
  return {
    // A name that does not resolve can heal, as networks come up; a certificate does not.
    again: !TLS_REFUSED.test(reason),
    error: new ServiceError(unsent ? 'connect_failed' : 'connection_lost', message, {
      status: null,
      outcome: unsent ? 'unsent' : 'unknown',
      retryable: !TLS_REFUSED.test(reason),
      cause,
    }),
  };
}

/** The failure of a try that took too long. `begun` as for `lost`. */
export function timedOut(call: string, ms: number, begun?: boolean): Failure {
  const what = begun === false ? 'no connection' : 'no answer';
  return {
    again: true,
    error: new ServiceError('timeout', `${call} timed out: ${what} for ${ms / 1000} s`, {
      status: null,
      outcome: begun === false ? 'unsent' : 'unknown',
      retryable: true,
    }),
  };
}

/** The failure of a 2xx whose body is not what the call gives. */
export function badAnswer(call: string, status: number, what: string): Failure {
  return {
    again: true,
    error: new ServiceError('bad_answer', `${call} answered ${status} with ${what}`, {
      status,
      outcome: 'unknown',
      retryable: true,
    }),
  };
}

/** `x-should-retry` first, then the status. */
function shouldRetry(answer: Refusal): boolean {
  const told = answer.header('x-should-retry')?.trim().toLowerCase();
  if (told === 'true' || told === 'false') return told === 'true';
  return RETRY_STATUSES.has(answer.status) || answer.status >= 500;
}

/** What TLS does not like stays as it is. */
const TLS_REFUSED = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_)/;
const CONNECT_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Whether the connection itself failed, so that no byte of the request can have left. */
function neverConnected(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  if (CONNECT_CODES.has(code) || TLS_REFUSED.test(code)) return true;
  return typeof error === 'object' && error !== null && 'syscall' in error
    ? error.syscall === 'connect' || error.syscall === 'getaddrinfo'
    : false;
}

/** The service's own code, made stable. */
function codeOf(status: number, code: string | null, words: string): string {
  // Some regions refuse at once, in words that are not documented; the code then stands in them.
  if (
    code === 'token_limit_exceeded' ||
    /token_limit_exceeded|enqueued token limit|number of enqueued tokens has surpassed/i.test(words)
  ) {
    return 'token_limit_exceeded';
  }
  if (code === null || !/^[A-Za-z_][\w.-]{0,63}$/.test(code)) return `http_${status}`;
  return code;
}

/** Code and words of an error body: the service's envelope, a gateway's, a page, or plain text. */
function wordsOf(body: string, type: string | undefined): { code: string | null; words: string } {
  const parsed = parse(body);
  const envelope = object(parsed);
  if (envelope === null) {
    const page = type?.includes('html') || /^\s*</.test(body);
    const title = /<title[^>]*>([^<]*)/i.exec(body)?.[1];
    return { code: null, words: page ? (title ?? 'an HTML page') : body };
  }
  const error = object(envelope.error) ?? envelope;
  const words = text(error.message) ?? text(envelope.error) ?? text(error.detail) ?? '';
  // The service's own code hides in the words when it is nested: `innererror` says the most.
  const inner = text(object(error.innererror)?.code) ?? text(object(error.inner_error)?.code);
  return { code: text(error.code) ?? inner ?? text(error.type), words };
}

/** JSON, or undefined when it is none. */
export function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** One line, without control characters, of at most `MAX_WORDS` characters. */
export function shorten(words: string): string {
  const line = words.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}…` : line;
}

function redirectHost(location: string | undefined): string {
  if (location === undefined) return 'nowhere';
  return URL.canParse(location) ? new URL(location).host : 'another path';
}
