import { type Answer, hex, type Json, letters, limitOf, type Making, speak } from './answer.ts';
import { isObject } from './tokens.ts';

/** A body of the Responses API, whose `model` is the deployment's name and whose time is a float. */
export function responsesAnswer(body: Json, making: Making): Answer {
  const { random, inputTokens, now, switches } = making;
  const limit = limitOf(body.max_output_tokens);
  const format = isObject(body.text) ? body.text.format : undefined;
  const { text, tokens, cut } = speak(making, format, limit);
  const id = `${letters(random)}${hex(random)}`;
  const response = {
    id: `resp_${id}`,
    object: 'response',
    // JSON has no way to write 1762445017.0 but by hand: a fraction keeps it a float.
    created_at: now + 0.5,
    status: cut ? 'incomplete' : 'completed',
    background: false,
    ...(switches.contentFilter ? { content_filters: null } : {}),
    error: null,
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: body.model,
    output: [
      {
        id: `msg_${id}`,
        type: 'message',
        status: cut ? 'incomplete' : 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', annotations: [], text }],
      },
    ],
    parallel_tool_calls: true,
    service_tier: 'default',
    store: true,
    temperature: body.temperature ?? 1,
    text: { format: isObject(format) ? format : { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + tokens,
    },
    user: null,
    metadata: body.metadata ?? {},
  };
  return { status: 200, body: JSON.stringify(response), inputTokens, outputTokens: tokens };
}
