import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import type { Endpoint } from '../../src/core/request.ts';
import { createRequestBuilder } from '../../src/requests/builder.ts';
import type { RequestTemplate } from '../../src/requests/definition.ts';
import { builderOf } from '../../src/requests/function-builder.ts';
import { openRequestBuilder } from '../../src/requests/module.ts';
import type { RequestOptions } from '../../src/requests/options.ts';
import { validateRequestBody } from '../../src/requests/validate-body.ts';
import { MODEL, prepared, record } from './helpers.ts';

const messages = [{ role: 'user', content: 'Give me JSON.' }];
const closed = { type: 'object', properties: {}, required: [], additionalProperties: false };
const open = { type: 'object', properties: { a: {} } };
const schemaFormat = (more: object) => ({
  type: 'json_schema',
  json_schema: { name: 'x', strict: true, schema: closed, ...more },
});

/** The parameter that is refused in a chat with these parameters, or null. */
const chat = (more: object) =>
  validateRequestBody('/chat/completions', { model: 'm', messages, ...more })?.param ?? null;
const response = (more: object) =>
  validateRequestBody('/responses', { model: 'm', input: 'x', ...more })?.param ?? null;
const part = (content: object) => chat({ messages: [{ role: 'user', content: [content] }] });
const image = (image_url: unknown) => part({ type: 'image_url', image_url });

describe('validation', () => {
  test.each<[string, string | null, string | null]>([
    ['an image', image({ url: 'https://x/y', detail: 'low' }), null],
    ['a bare URL', image('https://x/y'), 'body.messages[0].content[0].image_url'],
    ['no URL', image({ url: '' }), 'body.messages[0].content[0].image_url.url'],
    ['data', image({ url: 'DATA:image/png;base64,AAAA' }), null],
    ['a path', image({ url: 'img/a.png' }), 'body.messages[0].content[0].image_url.url'],
    [
      'a path in a response',
      response({
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'a.png' }] }],
      }),
      'body.input[0].content[0].image_url',
    ],
    [
      'a detail that is none',
      image({ url: 'https://x', detail: 'best' }),
      'body.messages[0].content[0].image_url.detail',
    ],
    ['a part of another kind', part({ type: 'input_audio', input_audio: {} }), null],
    ['a text part without text', part({ type: 'text' }), 'body.messages[0].content[0].text'],
    [
      'a part of a response without its image',
      response({ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }),
      'body.input[0].content[0].image_url',
    ],
    [
      'an uploaded image',
      response({ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }),
      null,
    ],
    [
      'a tool',
      chat({ tools: [{ type: 'function', function: { name: 'f', strict: true } }] }),
      null,
    ],
    ['a tool of the service', response({ tools: [{ type: 'web_search' }] }), null],
    ['a tool without type', chat({ tools: [{ function: { name: 'f' } }] }), 'body.tools[0]'],
    [
      'a name with a space',
      chat({ tools: [{ type: 'function', function: { name: 'my f' } }] }),
      'body.tools[0].function.name',
    ],
    [
      'strict parameters that are open',
      response({ tools: [{ type: 'function', name: 'f', strict: true, parameters: open }] }),
      'body.tools[0].parameters',
    ],
    ['a schema', chat({ response_format: schemaFormat({}) }), null],
    [
      'a loose schema',
      chat({ response_format: schemaFormat({ strict: false, schema: open }) }),
      null,
    ],
    [
      'a strict schema that is open',
      chat({ response_format: schemaFormat({ schema: open }) }),
      'body.response_format.json_schema.schema',
    ],
    [
      'a schema without a name',
      chat({ response_format: schemaFormat({ name: undefined }) }),
      'body.response_format.json_schema.name',
    ],
    [
      'a format that is none',
      chat({ response_format: { type: 'xml' } }),
      'body.response_format.type',
    ],
    ['JSON that is asked for', chat({ response_format: { type: 'json_object' } }), null],
    [
      'JSON that nobody asks for',
      chat({
        response_format: { type: 'json_object' },
        messages: [{ role: 'user', content: 'x' }],
      }),
      'body.messages',
    ],
    [
      'a schema of responses',
      response({
        text: { format: { type: 'json_schema', name: 'x', schema: open, strict: true } },
      }),
      'body.text.format.schema',
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toBe(expected);
  });
});

/** What every record would be refused for, by the ways in which a request is said. */
const NEVER: [string, Endpoint, Record<string, unknown>, string][] = [
  ['no messages', '/chat/completions', { messages: [] }, 'body.messages'],
  [
    'a role that is none',
    '/chat/completions',
    { messages: [{ role: 'me', content: 'x' }] },
    'role',
  ],
  ['no input', '/responses', {}, 'body.input'],
  ['an empty text', '/embeddings', { input: '' }, 'body.input'],
  ['a prompt of nothing', '/completions', { prompt: [] }, 'body.prompt'],
  ['streaming', '/chat/completions', { messages, stream: true }, 'body.stream'],
  ['a bad tool', '/responses', { input: 'x', tools: [{}] }, 'body.tools[0]'],
  [
    'an open schema',
    '/chat/completions',
    { messages, response_format: schemaFormat({ schema: open }) },
    'body.response_format.json_schema.schema',
  ],
];

describe('a template that can never be valid fails at once', () => {
  test.each(NEVER)('%s, in a body', (_, endpoint, body, words) => {
    const definition = { kind: 'body', model: MODEL, endpoint, body } as RequestTemplate;
    expect(() => createRequestBuilder(definition)).toThrow(UsageError);
    expect(() => createRequestBuilder(definition)).toThrow(words);
  });

  test.each([
    [{ stream: true }, 'body.stream'],
    [{ tools: 'f' }, 'body.tools'],
    [{ response_format: { type: 'xml' } }, 'body.response_format.type'],
  ])('parameters %j, beside a prompt and beside a function', (parameters, words) => {
    const common = { model: MODEL, parameters };
    const prompt = { ...common, prompt: 'x' } as unknown as RequestOptions<unknown>;
    expect(() => builderOf(prompt)).toThrow(words);
    const made = { ...common, messages: () => [] } as unknown as RequestOptions<unknown>;
    expect(() => builderOf(made)).toThrow(words);
  });

  test('a schema beside another format', () => {
    const schema = closed;
    const own = { messages, response_format: { type: 'json_object' } };
    const body = { kind: 'body', model: MODEL, body: own, schema } as unknown as RequestTemplate;
    expect(() => createRequestBuilder(body)).toThrow('response_format cannot be given together');
    const made = { ...own, model: MODEL, schema, messages: () => [] };
    expect(() => builderOf(made as never)).toThrow('together');
  });

  test('a module', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-module-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'request.mjs');
    writeFileSync(path, 'export default { prompt: "x", parameters: { stream: true } };\n');
    const url = pathToFileURL(path).href;
    await expect(openRequestBuilder({ kind: 'module', model: MODEL, url })).rejects.toThrow(
      'body.stream',
    );
  });
});

test('what a template says beyond what is known here passes through untouched', () => {
  const body = {
    messages: [{ role: 'developer', content: '{{text}}' }],
    reasoning_effort: 'high',
    verbosity: 'low',
    max_completion_tokens: 5,
    modalities: ['text'],
    prediction: { type: 'content', content: 'x' },
    logit_bias: { 50256: -100 },
    tools: [{ type: 'custom', custom: { name: 'grep' } }],
    tool_choice: { type: 'function', function: { name: 'f' } },
    response_format: schemaFormat({}),
    service_tier: 'flex',
    a_parameter_of_next_year: [{ deep: { null: null, float: 1e-7 } }],
  };
  const definition = { kind: 'body', model: MODEL, body } as unknown as RequestTemplate;
  const built = prepared(createRequestBuilder(definition).build(record({ text: 'hi' })));
  expect(built.body).toEqual({
    model: MODEL,
    ...body,
    messages: [{ role: 'developer', content: 'hi' }],
  });
  const responses = {
    input: '{{text}}',
    reasoning: { effort: 'low', summary: 'auto' },
    text: { verbosity: 'low' },
    truncation: 'auto',
    include: ['reasoning.encrypted_content'],
  };
  const other = { kind: 'body', model: MODEL, endpoint: '/responses', body: responses };
  const shaped = { ...other, schema: closed } as unknown as RequestTemplate;
  const { text, ...rest } = prepared(
    createRequestBuilder(shaped).build(record({ text: 'hi' })),
  ).body;
  expect(rest).toEqual({ model: MODEL, ...responses, text: undefined, input: 'hi' });
  expect(text).toMatchObject({ verbosity: 'low', format: { type: 'json_schema', strict: true } });
});
