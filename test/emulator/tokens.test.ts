import { describe, expect, test } from 'vitest';
import { imageTokens } from '../../src/emulator/answers/images.ts';
import { promptCounter } from '../../src/emulator/answers/tokens.ts';

const TOOL_BODY = {
  messages: [
    {
      role: 'system',
      content: 'You are a helpful assistant that can answer to questions about the weather.',
    },
    { role: 'user', content: "What's the weather like in San Francisco?" },
  ],
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_current_weather',
        description: 'Get the current weather in a given location',
        parameters: {
          type: 'object',
          properties: {
            location: {
              type: 'string',
              description: 'The city and state, e.g. San Francisco, CA',
            },
            unit: {
              type: 'string',
              description: 'The unit of temperature to return',
              enum: ['celsius', 'fahrenheit'],
            },
          },
          required: ['location'],
        },
      },
    },
  ],
};

describe('counting prompts', () => {
  test.each([
    ['gpt-4o', 101],
    ['gpt-4', 105],
  ])('the published example with a tool costs what it costs on %s', async (model, tokens) => {
    const counter = await promptCounter(model);
    expect(counter.measure('/chat/completions', TOOL_BODY).tokens).toBe(tokens);
  });

  test.each([
    [27, 'When was Microsoft founded?'],
    [30, 'When was the first XBOX released?'],
    [28, 'What is Altair Basic?'],
  ])('the guide’s line counts %i tokens', async (tokens, content) => {
    const counter = await promptCounter('gpt-4o-batch');
    const system = 'You are an AI assistant that helps people find information.';
    const messages = [
      { role: 'system', content: system },
      { role: 'user', content },
    ];
    expect(counter.measure('/chat/completions', { messages }).tokens).toBe(tokens);
  });

  test('text that looks like a special token is text', async () => {
    const counter = await promptCounter('gpt-4o');
    expect(counter.countText('<|endoftext|>')).toBeGreaterThan(1);
  });

  test('token lists as embedding input count as they are', async () => {
    const counter = await promptCounter('text-embedding-3-small');
    const tokens = (input: unknown) => counter.measure('/embeddings', { input }).tokens;
    expect(tokens([1, 2, 3])).toBe(3);
    expect(tokens([[1, 2], [3]])).toBe(3);
    expect(tokens(['hello', 'world'])).toBe(2);
  });
});

/** The head of a PNG file of this size, as a data URL. */
function png(width: number, height: number): string {
  const head = Buffer.alloc(33);
  head.writeUInt32BE(0x89504e47, 0);
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return `data:image/png;base64,${head.toString('base64')}`;
}

describe('counting images', () => {
  test.each([
    ['gpt-5.4', 'high', 1024, 1024, 1229],
    ['gpt-5.4', 'high', 2048, 2048, 3000],
    ['gpt-4o', 'high', 1024, 1024, 765],
    ['gpt-4o', 'high', 2048, 4096, 1105],
    ['gpt-4o', 'low', 4096, 8192, 85],
  ])('%s at detail %s, %i x %i', (model, detail, width, height, tokens) => {
    expect(imageTokens(model, png(width, height), detail)).toBe(tokens);
  });
});
