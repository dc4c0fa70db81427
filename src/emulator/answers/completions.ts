import {
  type Answer,
  type Json,
  letters,
  limitOf,
  type Making,
  numberOf,
  speak,
} from './answer.ts';

/** Tokens of an answer unless the request says otherwise, as the service has it for this operation. */
const DEFAULT_TOKENS = 16;
const MOST_CHOICES = 128;

/** A completion of the older kind: text without messages, a choice for each prompt. */
export function completionsAnswer(body: Json, making: Making): Answer {
  const { random, inputTokens, now } = making;
  const prompts = Array.isArray(body.prompt) && typeof body.prompt[0] !== 'number';
  const wanted = numberOf(body.n, 1) * (prompts ? (body.prompt as unknown[]).length : 1);
  const limit = limitOf(body.max_tokens ?? DEFAULT_TOKENS);
  let outputTokens = 0;
  const choices = Array.from({ length: Math.min(MOST_CHOICES, wanted) }, (_none, index) => {
    const { text, tokens, cut } = speak(making, null, limit);
    outputTokens += tokens;
    return { text, index, logprobs: null, finish_reason: cut ? 'length' : 'stop' };
  });
  const completion = {
    id: `cmpl-${letters(random)}`,
    object: 'text_completion',
    created: now,
    model: body.model,
    choices,
    usage: {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens + outputTokens,
    },
  };
  return { status: 200, body: JSON.stringify(completion), inputTokens, outputTokens };
}
