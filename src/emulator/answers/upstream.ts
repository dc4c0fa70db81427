import { setTimeout as delay } from 'node:timers/promises';
import type { Question } from '../answering.ts';
import { operationOf } from '../scan.ts';
import { type Answer, answerOf } from './answer.ts';

/** A server that speaks the OpenAI API and answers in the emulator's place. */
export interface Upstream {
  /** Its base URL, `http://127.0.0.1:11434/v1`; the operation is put behind it. */
  readonly url: string;
  /** Sent as a Bearer token; null sends none. */
  readonly key: string | null;
  /** Put in the place of each request's model; null leaves it. */
  readonly model: string | null;
}

const TRIES = 5;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30 * 1000; // 30 s
const TIMEOUT_MS = 10 * 60 * 1000; // 10 min: a local model may be slow

/**
 * Sends one request upstream, again after 408, 409, 429, 5xx and broken connections. What it answers in the
 * end is the answer, errors included; a server that cannot be reached is a 503. Rejects only when the signal aborts.
 */
export async function askUpstream(
  upstream: Upstream,
  { request }: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const body = upstream.model === null ? request.body : { ...request.body, model: upstream.model };
  const url = `${upstream.url.replace(/\/+$/, '')}${operationOf(request.url)}`;
  for (let tries = 1; ; tries += 1) {
    const reply = await send(url, JSON.stringify(body), upstream.key, signal);
    const again = reply === null || reply.status >= 500 || [408, 409, 429].includes(reply.status);
    if (!again || tries === TRIES) return reply?.answer ?? UNREACHABLE;
    const backoff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1));
    const wait = Math.min(LONGEST_WAIT_MS, reply?.waitMs ?? backoff * (0.5 + Math.random() / 2));
    await delay(wait, undefined, { signal });
  }
}

const UNREACHABLE: Answer = {
  status: 503,
  body: JSON.stringify({
    error: {
      message: 'The upstream server could not be reached.',
      type: 'server_error',
      param: null,
      code: 'upstream_unreachable',
    },
  }),
  inputTokens: 0,
  outputTokens: 0,
};

interface Reply {
  readonly status: number;
  readonly waitMs: number | undefined;
  readonly answer: Answer;
}

/** Null when no answer came. */
async function send(
  url: string,
  body: string,
  key: string | null,
  signal: AbortSignal,
): Promise<Reply | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      },
      body,
      // A key must not follow a redirect to another host.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    const waitMs = Number(response.headers.get('retry-after') ?? Number.NaN) * 1000;
    return {
      status: response.status,
      waitMs: waitMs >= 0 ? waitMs : undefined,
      answer: replyOf(response.status, text),
    };
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

/**
 * The body goes into the line as JSON of its own: a newline inside would break the line. What is
 * none, such as the page of a proxy, must not count as an answer.
 */
function replyOf(status: number, text: string): Answer {
  try {
    return answerOf(status, JSON.parse(text));
  } catch {
    const message = 'The upstream server did not answer with JSON.';
    return answerOf(status < 400 ? 502 : status, { error: { message, code: 'bad_json' } });
  }
}
