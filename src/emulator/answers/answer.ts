import type { Random } from '../../core/clock.ts';
import type { Switches } from '../profiles.ts';
import { instanceOf } from './instances.ts';
import { isObject, type PromptCounter } from './tokens.ts';
import { type Written, writeText } from './words.ts';

export type Json = Readonly<Record<string, unknown>>;

/** An answer to one request. */
export interface Answer {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** An answer whose body somebody else made, with the tokens that it tells of. */
export function answerOf(status: number, body: unknown): Answer {
  const usage = isObject(body) && isObject(body.usage) ? body.usage : {};
  return {
    status,
    body: JSON.stringify(body),
    inputTokens: numberOf(usage.prompt_tokens ?? usage.input_tokens, 0),
    outputTokens: numberOf(usage.completion_tokens ?? usage.output_tokens, 0),
  };
}

/** What an answer is made of, besides the request's body. */
export interface Making {
  readonly random: Random;
  readonly inputTokens: number;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly switches: Switches;
  readonly counter: PromptCounter;
  /** The text to answer with; null lets the model write one. */
  readonly given: string | null;
}

/** What is said: text, or JSON that satisfies the schema that was asked for. */
export function speak(making: Making, format: unknown, limit: number): Written {
  const { random, counter, given } = making;
  if (given !== null) return cutTo({ text: given, limit, counter });
  const kind = isObject(format) ? format.type : undefined;
  if (kind === 'json_object') return cutTo({ text: '{"answer":"yes"}', limit, counter });
  if (kind !== 'json_schema' || !isObject(format)) return writeText(random, limit);
  // Chat has the schema one level deeper than Responses.
  const holder = isObject(format.json_schema) ? format.json_schema : format;
  // A schema that nothing satisfies, such as an empty enum, has no instance.
  const text = JSON.stringify(instanceOf(holder.schema, random)) ?? 'null';
  return cutTo({ text, limit, counter });
}

/** A text of at most `limit` tokens. */
export function cutTo(whole: { text: string; limit: number; counter: PromptCounter }): Written {
  let { text } = whole;
  let tokens = whole.counter.countText(text);
  if (tokens <= whole.limit) return { text, tokens, cut: false };
  while (tokens > whole.limit) {
    const share = Math.min(whole.limit / tokens, (text.length - 1) / text.length);
    text = [...text].slice(0, Math.floor(text.length * share)).join('');
    tokens = whole.counter.countText(text);
  }
  return { text, tokens, cut: true };
}

/** The most tokens that an answer may have. What is no limit is none; the least is one token. */
export function limitOf(value: unknown): number {
  return Math.max(1, numberOf(value, Infinity));
}

export function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** Letters and digits like those of the service's ids. */
export function letters(random: Random): string {
  const part = () =>
    Math.floor(random() * 36 ** 8)
      .toString(36)
      .padStart(8, '0');
  return `${part()}${part()}${part()}`;
}

export function hex(random: Random): string {
  return Math.floor(random() * 16 ** 10)
    .toString(16)
    .padStart(10, '0');
}
