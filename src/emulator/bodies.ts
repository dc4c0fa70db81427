import type { Random } from '../core/clock.ts';
import { writeText } from './model.ts';
import type { Switches } from './profiles.ts';

type Json = Readonly<Record<string, unknown>>;

/** An answer's body as JSON, and what it cost. */
export interface Answer {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

const SAFE =
  '{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}';

const PROMPT_SAFE =
  '[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"filtered":false,"detected":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]';

/** Versions of base models that a deployment's name may begin with, the longest first. */
const VERSIONS: readonly (readonly [string, string])[] = [
  ['gpt-4o-mini', 'gpt-4o-mini-2024-07-18'],
  ['gpt-4o', 'gpt-4o-2024-08-06'],
  ['gpt-4.1-mini', 'gpt-4.1-mini-2025-04-14'],
  ['gpt-4.1-nano', 'gpt-4.1-nano-2025-04-14'],
  ['gpt-4.1', 'gpt-4.1-2025-04-14'],
  ['gpt-5.4-mini', 'gpt-5.4-mini-2026-03-17'],
  ['gpt-5.4', 'gpt-5.4-2026-03-05'],
  ['gpt-5.1', 'gpt-5.1-2025-11-13'],
  ['gpt-5', 'gpt-5-2025-08-07'],
  ['o4-mini', 'o4-mini-2025-04-16'],
  ['o3-mini', 'o3-mini-2025-01-31'],
  ['o3', 'o3-2025-04-16'],
];

/** The base model's version that answers for a deployment: what chat bodies carry as `model`. */
export function versionOf(deployment: string): string {
  return VERSIONS.find(([prefix]) => deployment.startsWith(prefix))?.[1] ?? 'gpt-4o-2024-08-06';
}

/** A chat completion. Written by hand: it is made 100,000 times a file. */
export function chatBody(
  body: Json,
  random: Random,
  inputTokens: number,
  createdSeconds: number,
  switches: Switches,
): Answer {
  const limit = numberOf(body.max_completion_tokens ?? body.max_tokens, Infinity);
  const choices = Math.min(128, Math.max(1, numberOf(body.n, 1)));
  let outputTokens = 0;
  let list = '';
  for (let index = 0; index < choices; index += 1) {
    const { text, tokens, cut } = writeText(random, limit);
    outputTokens += tokens;
    const filters = switches.contentFilter ? `"content_filter_results":${SAFE},` : '';
    list += `${index === 0 ? '' : ','}{${filters}"finish_reason":"${cut ? 'length' : 'stop'}","index":${index},"logprobs":null,"message":{"content":${JSON.stringify(text)},"role":"assistant"}}`;
  }
  const model = JSON.stringify(
    switches.errorEnvelope === 'azure' ? versionOf(String(body.model)) : body.model,
  );
  const prompt = switches.contentFilter ? `,"prompt_filter_results":${PROMPT_SAFE}` : '';
  return {
    status: 200,
    body: `{"choices":[${list}],"created":${createdSeconds},"id":"chatcmpl-${token(random)}","model":${model},"object":"chat.completion"${prompt},"system_fingerprint":"fp_${hex(random)}","usage":{"completion_tokens":${outputTokens},"prompt_tokens":${inputTokens},"total_tokens":${inputTokens + outputTokens}}}`,
    inputTokens,
    outputTokens,
  };
}

export function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** Letters and digits like those of the service's ids. */
export function token(random: Random): string {
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
