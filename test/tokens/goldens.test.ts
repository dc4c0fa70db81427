import { describe, expect, it } from 'vitest';
import type { Endpoint, RequestBody } from '../../src/core/request.ts';
import { createTokenCounter } from '../../src/tokens/counter.ts';

const system = {
  role: 'system',
  content: 'You are an AI assistant that helps people find information.',
};

const chat = async (model: string, body: Record<string, unknown>) =>
  (await createTokenCounter(model)).countRequest('/chat/completions', { model: 'd', ...body });

describe('chat messages', () => {
  it.each([
    ['When was Microsoft founded?', 27],
    ['When was the first XBOX released?', 30],
    ['What is Altair Basic?', 28],
  ])('%s counts what the service counted', async (content, tokens) => {
    expect(await chat('gpt-4o', { messages: [system, { role: 'user', content }] })).toBe(tokens);
  });

  it('counts an answer as the service billed it', async () => {
    const answer =
      'Microsoft was founded on April 4, 1975, by Bill Gates and Paul Allen in Albuquerque, New Mexico.';
    expect((await createTokenCounter('gpt-4o')).countText(answer)).toBe(24);
  });

  // The message set of the OpenAI cookbook, whose counts equal the service's own usage.
  const named = (name: string, content: string) => ({ role: 'system', name, content });
  const cookbook = [
    {
      role: 'system',
      content:
        'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
    },
    named('example_user', 'New synergies will help drive top-line growth.'),
    named('example_assistant', 'Things working well together will increase revenue.'),
    named(
      'example_user',
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    named('example_assistant', "Let's talk later when we're less busy about how to do better."),
    {
      role: 'user',
      content:
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
  ];
  it.each([
    ['gpt-4o', 124],
    ['gpt-4', 129],
    ['gpt-3.5-turbo', 129],
  ])('named messages on %s', async (model, tokens) => {
    expect(await chat(model, { messages: cookbook })).toBe(tokens);
  });

  it('counts text parts as text, and a look-alike of a special token as text', async () => {
    const plain = await chat('gpt-4o', { messages: [{ role: 'user', content: 'hello' }] });
    const parts = [{ type: 'text', text: 'hello' }];
    expect(await chat('gpt-4o', { messages: [{ role: 'user', content: parts }] })).toBe(plain);
    const special = [{ role: 'user', content: '<|endoftext|>' }];
    expect(await chat('gpt-4o', { messages: special })).toBe(3 + 1 + 7 + 3);
  });

  it('reads what it can of a body of the wrong shape', async () => {
    for (const messages of [undefined, null, 7, 'x', [null, 1, 'x', []], [{}]]) {
      expect(await chat('gpt-4o', { messages })).toBeLessThan(10);
    }
  });
});

describe('tools', () => {
  const messages = [
    {
      role: 'system',
      content: 'You are a helpful assistant that can answer to questions about the weather.',
    },
    { role: 'user', content: "What's the weather like in San Francisco?" },
  ];
  const fn = {
    name: 'get_current_weather',
    description: 'Get the current weather in a given location',
    parameters: {
      type: 'object',
      properties: {
        location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
        unit: {
          type: 'string',
          description: 'The unit of temperature to return',
          enum: ['celsius', 'fahrenheit'],
        },
      },
      required: ['location'],
    },
  };

  it.each([
    ['gpt-4o', 101],
    ['gpt-4', 105],
  ])('the cookbook example on %s', async (model, tokens) => {
    expect(await chat(model, { messages, tools: [{ type: 'function', function: fn }] })).toBe(
      tokens,
    );
  });

  it('counts a JSON schema of the answer like one function, in chat and in responses', async () => {
    const json_schema = { name: fn.name, description: fn.description, schema: fn.parameters };
    const response_format = { type: 'json_schema', json_schema };
    expect(await chat('gpt-4o', { messages, response_format })).toBe(101);
    expect(await chat('gpt-4o', { messages, response_format: { type: 'json_object' } })).toBe(
      await chat('gpt-4o', { messages }),
    );
    const counter = await createTokenCounter('gpt-4o');
    const format = { type: 'json_schema', ...json_schema };
    const body = { model: 'd', input: messages, text: { format } };
    expect(counter.countRequest('/responses', body)).toBe(101);
    const tools = [{ type: 'function', ...fn }];
    expect(counter.countRequest('/responses', { model: 'd', input: messages, tools })).toBe(101);
  });

  it('counts nested schemas', async () => {
    const nested = (schema: unknown) =>
      chat('gpt-4o', { response_format: { json_schema: { name: 'x', schema } } });
    const leaf = { properties: { city: { type: 'string' } } };
    const flat = await nested(leaf);
    const within = await nested({ properties: { at: { type: 'object', ...leaf } } });
    expect(within).toBeGreaterThan(flat);
    expect(await nested({ properties: { at: { type: 'array', items: leaf } } })).toBe(within);
    expect(await nested({ anyOf: [leaf, leaf] })).toBeGreaterThan(flat);
    expect(await nested({ $defs: { at: { type: 'object', ...leaf } } })).toBeGreaterThan(flat);
  });
});

describe('responses and embeddings', () => {
  const count = async (endpoint: Endpoint, body: RequestBody) =>
    (await createTokenCounter('gpt-4o')).countRequest(endpoint, body);

  it('counts instructions and input like the chat that they stand for', async () => {
    const text = 'When was Microsoft founded?';
    const instructions = system.content;
    expect(await count('/responses', { model: 'd', instructions, input: text })).toBe(27);
    const content = [{ type: 'input_text', text }];
    const input = [{ type: 'message', role: 'user', content }];
    expect(await count('/responses', { model: 'd', instructions, input })).toBe(27);
  });

  it('counts strings, lists of strings, and tokens that are encoded already', async () => {
    expect(await count('/embeddings', { model: 'd', input: 'hello world' })).toBe(2);
    expect(await count('/embeddings', { model: 'd', input: ['hello world', 'hello'] })).toBe(3);
    expect(await count('/embeddings', { model: 'd', input: [1, 2, 3] })).toBe(3);
    expect(await count('/embeddings', { model: 'd', input: [[1, 2], [3]] })).toBe(3);
    expect(await count('/embeddings', { model: 'd' })).toBe(0);
    expect(await count('/completions', { model: 'd', prompt: 'hello world' })).toBe(2);
  });
});
