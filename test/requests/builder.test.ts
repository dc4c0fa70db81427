import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, expectTypeOf, onTestFinished, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import type { SourceItem } from '../../src/core/record.ts';
import type { RequestItem } from '../../src/core/request.ts';
import { buildRequests } from '../../src/requests/build-requests.ts';
import { createRequestBuilder } from '../../src/requests/builder.ts';
import type { RequestTemplate } from '../../src/requests/definition.ts';
import { openRequestBuilder } from '../../src/requests/module.ts';
import type { Stage } from '../../src/streams/stage.ts';
import { all, from, MODEL, prepared, record, refused } from './helpers.ts';

const SECRET = 'a text that nobody may see';

test('a prompt becomes a chat, its model first', () => {
  const builder = createRequestBuilder({
    kind: 'prompt',
    model: MODEL,
    prompt: 'Label: {{text}}',
    system: 'You know {{lang}}.',
    parameters: { temperature: 0 },
    idField: 'sku',
  });
  expect(builder.fields).toEqual(['lang', 'text', 'sku']);
  const request = prepared(builder.build(record({ text: 'hi', lang: 'en', sku: 7 })));
  expect(request.customId).toBe('7');
  expect(JSON.stringify(request.body)).toBe(
    '{"model":"gpt-4o-batch","messages":[{"role":"system","content":"You know en."},{"role":"user","content":"Label: hi"}],"temperature":0}',
  );
});

test('a prompt for responses, for embeddings, with an image, with a schema', () => {
  const build = (more: Partial<RequestTemplate>, fields: object) => {
    const definition = {
      kind: 'prompt',
      model: MODEL,
      prompt: '{{t}}',
      ...more,
    } as RequestTemplate;
    return prepared(createRequestBuilder(definition).build(record(fields))).body;
  };
  const t = 'x';
  expect(build({ endpoint: '/responses', system: 's' } as never, { t })).toEqual({
    ...{ model: MODEL, instructions: 's', input: 'x' },
  });
  expect(build({ endpoint: '/embeddings' }, { t })).toEqual({ model: MODEL, input: 'x' });
  const image = { imageField: 'i' } as never;
  expect(build(image, { t, i: '' }).messages).toEqual([{ role: 'user', content: 'x' }]);
  expect(build(image, { t, i: 'https://x/y.png' }).messages).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'x' },
        { type: 'image_url', image_url: { url: 'https://x/y.png' } },
      ],
    },
  ]);
  const schema = {
    title: 'The answer',
    type: 'object',
    properties: { label: { type: 'string' } },
    required: ['label'],
    additionalProperties: false,
  };
  expect(build({ schema }, { t }).response_format).toEqual({
    type: 'json_schema',
    json_schema: { name: 'The_answer', strict: true, schema },
  });
  expect(build({ schema, endpoint: '/responses' }, { t }).text).toMatchObject({
    format: { type: 'json_schema', name: 'The_answer', strict: true },
  });
  const open = { ...schema, properties: { ...schema.properties, more: { type: 'object' } } };
  expect(() => build({ schema: open }, { t })).toThrow(/"more"|properties\/more/);
});

test('a body template keeps types; the model of the job takes the place of its own', () => {
  const builder = createRequestBuilder({
    kind: 'body',
    model: MODEL,
    body: { messages: '{{messages}}', model: 'REPLACE', metadata: { id: '{{id}}' } },
  });
  const messages = [{ role: 'user', content: 'x' }];
  const request = prepared(builder.build(record({ messages, id: 'a' })));
  expect(Object.entries(request.body)).toEqual([
    ['model', MODEL],
    ['messages', messages],
    ['metadata', { id: 'a' }],
  ]);
  const wrong = refused(
    builder.build(record({ messages: [{ role: 'user', content: null }], id: SECRET })),
  );
  expect(wrong.error.code).toBe('invalid_request');
  expect(wrong.error.message).toContain('data.csv, row 1, byte 100: body.messages[0].content');
  expect(wrong.error.message).not.toContain(SECRET);
});

test.each<[string, RequestTemplate]>([
  ['no messages', { kind: 'body', model: MODEL, body: { prompt: '{{a}}' } }],
  [
    'null content',
    { kind: 'body', model: MODEL, body: { messages: [{ role: 'user', content: null }] } },
  ],
  [
    'a role',
    { kind: 'body', model: MODEL, body: { messages: [{ role: 'me', content: '{{a}}' }] } },
  ],
  ['a stream', { kind: 'prompt', model: MODEL, prompt: 'x', parameters: { stream: true } }],
  ['metadata', { kind: 'prompt', model: MODEL, prompt: 'x', parameters: { metadata: { a: 1 } } }],
  ['the model twice', { kind: 'prompt', model: MODEL, prompt: 'x', parameters: { model: 'y' } }],
  ['messages twice', { kind: 'prompt', model: MODEL, prompt: 'x', parameters: { messages: [] } }],
  ['no model', { kind: 'prompt', model: '', prompt: 'x' }],
  [
    'a system to embed',
    { kind: 'prompt', model: MODEL, endpoint: '/embeddings', prompt: 'x', system: 'y' },
  ],
])('what no record can make valid fails at once: %s', (_, definition) => {
  expect(() => createRequestBuilder(definition)).toThrow(UsageError);
});

test('a record without the field, or without an id, is rejected with its place only', () => {
  const builder = createRequestBuilder({
    kind: 'prompt',
    model: MODEL,
    prompt: '{{text}}',
    idField: 'id',
  });
  const missing = refused(builder.build(record({ other: SECRET, id: 'a' }, 3)));
  expect(missing.error).toEqual({
    code: 'missing_field',
    message: 'data.csv, row 3, byte 300: the record has no field text, which the request names',
  });
  for (const id of [undefined, '', null, {}, Number.NaN]) {
    const error = refused(builder.build(record({ text: SECRET, id }))).error;
    expect(error.code).toBe('missing_custom_id');
    expect(error.message).not.toContain(SECRET);
  }
  expect(refused(builder.build(record({ text: 'x', id: 'i'.repeat(513) }))).error.code).toBe(
    'invalid_custom_id',
  );
});

test('request lines go through as they are, their model first', () => {
  const line = {
    custom_id: 'task-0',
    method: 'POST',
    url: '/v1/chat/completions?api-version=1',
    body: { messages: [{ role: 'user', content: 'x' }], max_tokens: 5, model: 'own' },
  };
  const request = prepared(createRequestBuilder({ kind: 'batch' }).build(record(line)));
  expect(request).toMatchObject({
    customId: 'task-0',
    endpoint: '/chat/completions',
    record: line,
  });
  expect(Object.keys(request.body)).toEqual(['model', 'messages', 'max_tokens']);
  expect(request.body.model).toBe('own');
  const builder = createRequestBuilder({
    kind: 'batch',
    model: MODEL,
    endpoint: '/chat/completions',
  });
  expect(prepared(builder.build(record(line))).body.model).toBe(MODEL);
  const code = (change: object) =>
    refused(builder.build(record({ ...line, ...change }))).error.code;
  expect(code({ url: '/responses', body: { input: 'x' } })).toBe('url_mismatch');
  expect(code({ url: '/v1/moderations' })).toBe('invalid_request');
  expect(code({ method: 'GET' })).toBe('invalid_request');
  expect(code({ body: null })).toBe('invalid_request');
  expect(code({ custom_id: undefined })).toBe('missing_custom_id');
  expect(refused(builder.build(record('text'))).error.code).toBe('invalid_request');
});

interface Review {
  id: number;
  text: string;
}
const reviews: Review[] = [
  { id: 1, text: 'good' },
  { id: 2, text: 'bad' },
];

test('the stage takes plain records, and functions that may be async', async () => {
  const stage = buildRequests<Review>({
    model: MODEL,
    messages: async (r) => [{ role: 'user', content: r.text }],
    customId: (r) => r.id,
    temperature: 0,
  });
  const [first, second] = (await all(stage(from(reviews)))).map(prepared);
  expect(first?.body).toEqual({
    model: MODEL,
    temperature: 0,
    messages: [{ role: 'user', content: 'good' }],
  });
  expect(second).toMatchObject({
    customId: '2',
    position: { source: '<records>', row: 2, byte: -1 },
    record: reviews[1],
  });
});

test('a function that throws or makes nonsense is a rejected record, and the next one goes on', async () => {
  const bodies: Record<number, () => unknown> = {
    1: () => {
      throw new TypeError(SECRET);
    },
    2: () => Promise.reject(new RangeError(`two lines,\n    at /${SECRET}:1:1`)),
    3: () => SECRET,
    4: () => ({ messages: SECRET }),
    5: () => ({ messages: [{ role: 'user', content: 'x' }], model: 'other' }),
  };
  const stage = buildRequests<{ n: number }>({
    model: MODEL,
    body: (r) => bodies[r.n]?.() as object,
  });
  const items = await all(stage(from([1, 2, 3, 4, 5].map((n) => ({ n })))));
  const errors = items.slice(0, 4).map((item) => refused(item).error);
  expect(errors.map((error) => error.code)).toEqual([
    ...['request_failed', 'request_failed', 'request_failed', 'invalid_request'],
  ]);
  expect(errors[0]?.message).toMatch(
    /^<records>, row 1: the request function threw \(TypeError at builder\.test\.ts:\d+\)$/,
  );
  expect(JSON.stringify(errors)).not.toContain(SECRET);
  expect(Object.entries(prepared(items[4]!).body)[0]).toEqual(['model', MODEL]);
});

test('options that contradict each other are refused, both named', () => {
  const messages = () => [];
  const wrong = (more: object, words: RegExp) =>
    expect(() => buildRequests({ model: MODEL, ...more } as never)).toThrow(words);
  wrong({}, /messages, prompt, body; none/);
  wrong({ messages: [{ role: 'user', content: '{{text}}' }] }, /must be a function of a record/);
  wrong({ prompt: 'x', body: {} }, /prompt and body/);
  wrong({ prompt: 'x', customId: () => 'a', idField: 'b' }, /customId and idField/);
  wrong({ messages, endpoint: '/responses' }, /give a body/);
  wrong({ prompt: 'x', endpoint: '/nowhere' }, /\/chat\/completions/);
});

test('a module, TypeScript too, gives a function or options; the job wins over it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-requests-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return pathToFileURL(join(directory, name)).href;
  };
  const url = await write(
    'f.ts',
    'export default async (r: { text: string }) => ({ input: r.text });',
  );
  const common = { kind: 'module', model: MODEL, idField: 'id' } as const;
  const builder = await openRequestBuilder({
    ...common,
    url,
    endpoint: '/responses',
    parameters: { top_p: 1 },
  });
  expect(prepared((await builder.build(record(reviews[0]))) as never)).toMatchObject({
    customId: '1',
    endpoint: '/responses',
    body: { model: MODEL, input: 'good', top_p: 1 },
  });
  const options = await write(
    'o.mjs',
    "export default { prompt: '{{text}}', model: 'm', seed: 3 };",
  );
  const other = await openRequestBuilder({ ...common, url: options });
  expect(other.fields).toEqual(['text', 'id']);
  expect(prepared(other.build(record(reviews[0]))).body).toMatchObject({ model: MODEL, seed: 3 });
  const own = "export default { prompt: '{{text}}', model: 'm', customId: () => 'c' };";
  const ids = await openRequestBuilder({ ...common, url: await write('c.mjs', own) });
  expect(prepared(ids.build(record(reviews[0]))).customId).toBe('1');
  const nothing = await write('n.mjs', 'export default 3;');
  await expect(openRequestBuilder({ ...common, url: nothing })).rejects.toThrow(UsageError);
  const gone = pathToFileURL(join(directory, 'gone.mjs')).href;
  await expect(openRequestBuilder({ ...common, url: gone })).rejects.toThrow(/cannot be loaded/);
});

test('a stage is typed by the record, from its options to its items', () => {
  const stage = buildRequests<Review>({ model: MODEL, prompt: '{{text}}', customId: (r) => r.id });
  expectTypeOf(stage).toEqualTypeOf<Stage<Review | SourceItem<Review>, RequestItem<Review>>>();
  // @ts-expect-error: the record has no such field.
  buildRequests<Review>({ model: MODEL, messages: (r) => [{ role: 'user', content: r.title }] });
  // @ts-expect-error: no role of that name.
  buildRequests<Review>({ model: MODEL, messages: (r) => [{ role: 'me', content: r.text }] });
  // @ts-expect-error: other records than the stage is for.
  const other: Stage<SourceItem<{ id: string }>, RequestItem<Review>> = stage;
  expect(other).toBe(stage);
});

test('a request that is longer than a text can be is a rejected record', () => {
  const prompt = '{{text}}'.repeat(40);
  const builder = createRequestBuilder({ kind: 'prompt', model: MODEL, prompt });
  const { error } = refused(builder.build(record({ text: 'x'.repeat(2 ** 24) })));
  expect(error).toMatchObject({ code: 'request_too_large' });
  expect(error.message).toMatch(/row 1.*a text longer than 512 MiB/);
});
