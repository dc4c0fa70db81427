import {
  type Answer,
  hex,
  type Json,
  letters,
  limitOf,
  type Making,
  numberOf,
  speak,
} from './answer.ts';
import { instanceOf } from './instances.ts';
import { isObject } from './tokens.ts';

const SAFE =
  '{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}';

const PROMPT_SAFE =
  '[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"filtered":false,"detected":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]';

const DETAILS =
  ',"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}';

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

const MOST_CHOICES = 128;

/** The base model's version that answers for a deployment: what chat bodies carry as `model`. */
export function versionOf(deployment: string): string {
  return VERSIONS.find(([prefix]) => deployment.startsWith(prefix))?.[1] ?? 'gpt-4o-2024-08-06';
}

/** A chat completion. Put together as text: it is made 100,000 times a file. */
export function chatAnswer(body: Json, making: Making): Answer {
  const { random, inputTokens, now, switches } = making;
  const limit = limitOf(body.max_completion_tokens ?? body.max_tokens);
  const choices = Math.min(MOST_CHOICES, Math.max(1, numberOf(body.n, 1)));
  const filters = switches.contentFilter ? `"content_filter_results":${SAFE},` : '';
  const tool = forcedTool(body);
  let outputTokens = 0;
  let list = '';
  for (let index = 0; index < choices; index += 1) {
    const choice = tool === undefined ? textChoice(body, making, limit) : toolChoice(tool, making);
    outputTokens += choice.tokens;
    list += `${index === 0 ? '' : ','}{${filters}"finish_reason":"${choice.finish}","index":${index},"logprobs":null,"message":${choice.message}}`;
  }
  const model = switches.chatModel === 'version' ? versionOf(String(body.model)) : body.model;
  const prompt = switches.contentFilter ? `,"prompt_filter_results":${PROMPT_SAFE}` : '';
  const details = switches.usageDetails ? DETAILS : '';
  return {
    status: 200,
    body: `{"choices":[${list}],"created":${now},"id":"chatcmpl-${letters(random)}","model":${JSON.stringify(model)},"object":"chat.completion"${prompt},"system_fingerprint":"fp_${hex(random)}","usage":{"completion_tokens":${outputTokens},"prompt_tokens":${inputTokens},"total_tokens":${inputTokens + outputTokens}${details}}}`,
    inputTokens,
    outputTokens,
  };
}

interface Choice {
  readonly finish: string;
  /** JSON text. */
  readonly message: string;
  readonly tokens: number;
}

function textChoice(body: Json, making: Making, limit: number): Choice {
  const { text, tokens, cut } = speak(making, body.response_format, limit);
  return {
    finish: cut ? 'length' : 'stop',
    message: `{"content":${JSON.stringify(text)},"role":"assistant"}`,
    tokens,
  };
}

function toolChoice(tool: Json, { random, counter }: Making): Choice {
  const name = String(tool.name ?? 'function');
  const call = JSON.stringify(instanceOf(tool.parameters ?? { type: 'object' }, random));
  const message = {
    content: null,
    role: 'assistant',
    tool_calls: [
      { id: `call_${letters(random)}`, type: 'function', function: { name, arguments: call } },
    ],
  };
  const tokens = counter.countText(name) + counter.countText(call);
  return { finish: 'tool_calls', message: JSON.stringify(message), tokens };
}

/** The function that the request insists on, if it insists on one. */
function forcedTool(body: Json): Json | undefined {
  const { tools, tool_choice: choice } = body;
  if (!Array.isArray(tools) || (choice !== 'required' && !isObject(choice))) return undefined;
  const functions = tools
    .map((tool: unknown) => (isObject(tool) ? tool.function : undefined))
    .filter(isObject);
  const wanted = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  return functions.find(({ name }) => wanted === undefined || name === wanted);
}
