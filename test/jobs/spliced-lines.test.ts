import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BatchDefinition } from '../../src/requests/definition.ts';
import { fileOf, same } from './both-ways.ts';

// Request lines that are taken as bytes are held to those that are built, as the records of
// spliced.test.ts are.

const BATCH: BatchDefinition = { kind: 'batch' };

type Body = Record<string, unknown>;

interface Line {
  custom_id?: unknown;
  method?: unknown;
  url?: unknown;
  body?: unknown;
}

function line(id: unknown, body: unknown, url: unknown = '/chat/completions'): Line {
  return { custom_id: id, method: 'POST', url, body };
}

const chat = (content: unknown, more: Body = {}): Body => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content }],
  ...more,
});

const PART = { type: 'image_url', image_url: { url: 'https://x.test/a.png', detail: 'low' } };

/** As Python's json.dumps writes it: blanks behind commas and colons, ASCII only. */
function asPython(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(asPython).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, of]) => `${asPython(key)}: ${asPython(of)}`);
    return `{${members.join(', ')}}`;
  }
  return JSON.stringify(value).replace(/[^\0-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const WRITERS = [(value: unknown) => JSON.stringify(value), asPython];

async function sameLines(
  lines: readonly string[],
  { end = '\n', maxRequests = 7, write = true, request = BATCH } = {},
) {
  const path = await fileOf('lines.jsonl', lines.join(end));
  return same(path, request, maxRequests, write, { format: 'batch' });
}

/** Lines in every spelling; how many of one spelling were taken as bytes. */
async function sameObjects(lines: readonly Line[], request?: BatchDefinition) {
  const found: Awaited<ReturnType<typeof sameLines>>[] = [];
  for (const written of WRITERS) {
    for (const end of ['\n', '\r\n']) {
      found.push(await sameLines(lines.map(written), { end, ...(request && { request }) }));
    }
  }
  expect(found.map(({ spliced }) => spliced)).toEqual(found.map(() => found[0]!.spliced));
  return found[0]!;
}

const TEXTS = [
  'plain words',
  '',
  'é中😀\u2028',
  'a "quote", a \\ and a /\n\t\b\f\r',
  '\u0000\u001f\u007f\u0080',
  '<|endoftext|> \ufeff json',
  '\u{f0000}1\u{f0001}',
];

it('takes every kind of request', async () => {
  const of = (body: (text: string) => Body, url?: string) =>
    sameObjects(TEXTS.map((text, i) => line(`id-${i}`, body(text), url)));
  const all = TEXTS.length - 1;
  expect((await of((text) => chat(text))).spliced).toBe(all);
  const parts = await of((text) =>
    chat([
      { type: 'text', text },
      { type: 'text', text: 'b' },
    ]),
  );
  expect(parts.spliced).toBe(all);
  const system = { role: 'system', content: 'Be short.' };
  const turns = await of((text) => ({
    messages: [system, { role: 'user', content: text }, { role: 'assistant', content: `${text}!` }],
    temperature: 0.5,
    metadata: { row: text, '7': 'b' },
    user: text,
    model: 'gpt-4o',
  }));
  expect(turns.spliced).toBe(all);
  const input = await of((text) => ({ model: 'm', instructions: 'x', input: text }), '/responses');
  expect(input.spliced).toBe(all);
  const items = await of(
    (text) => ({ model: 'm', input: [{ type: 'message', role: 'user', content: text }] }),
    '/v1/responses',
  );
  expect(items.spliced).toBe(all);
  // An empty text is refused.
  const embed = await of((text) => ({ model: 'm', input: text }), '/v1/embeddings');
  expect(embed).toMatchObject({ spliced: all - 1, rejected: 1 });
  const several = await of((text) => ({ model: 'm', input: ['a', text] }), '/embeddings');
  expect(several).toMatchObject({ spliced: all - 1, rejected: 1 });
  const prompts = await of((text) => ({ model: 'm', prompt: text, suffix: 's' }), '/completions');
  expect(prompts).toMatchObject({ spliced: all - 1, rejected: 1 });
});

it('takes numbers and named images that are others in each line', async () => {
  const numbers = [1, 0, -7, 0.5, 1e21, 1e-7, 123456789.12345];
  const seeds = numbers.map((seed, i) => line(`id-${i}`, chat('x', { seed, top_p: seed })));
  expect((await sameObjects(seeds)).spliced).toBe(6);
  const odd = ['1.50', '1e3', '-0', '007', '1e400', 'true', 'null', '"7"', '[1e400]', '-'];
  const written = odd.flatMap((seed, i) =>
    [0, 1].map((n) =>
      JSON.stringify(line(`id-${i}-${n}`, chat('x', { seed: 5 }))).replace(':5', `:${seed}`),
    ),
  );
  expect((await sameLines(written, { maxRequests: 100 })).spliced).toBeGreaterThan(5);
  // What is too large for a number is no null, wherever it stands.
  const contents = ['"a"', '"b"', '1e400', 'null', '[1e400]'];
  const part = '{"type":"image_url","image_url":{"url":"https://x.test/a","detail":1e400}}';
  const large = [...contents, `[${part}]`].map((content, i) =>
    JSON.stringify(line(`id-${i}`, chat('x'))).replace('"x"', content),
  );
  expect(await sameLines(large)).toMatchObject({ spliced: 1, rejected: 4 });
  const urls = [
    'https://x.test/1.png',
    'http://x.test/2',
    'https://é.test',
    'HTTPS://x.test',
    'a.png',
    '',
    'data:,a',
  ];
  const images = urls.flatMap((url, i) =>
    [0, 1].map((n) =>
      line(
        `id-${i}-${n}`,
        chat([
          { type: 'text', text: `${n}` },
          { ...PART, image_url: { url, detail: 'low' } },
        ]),
      ),
    ),
  );
  expect(await sameObjects(images)).toMatchObject({ spliced: 5, rejected: 4 });
  const input = urls.map((image_url, i) => {
    const content = [
      { type: 'input_image', image_url },
      { type: 'input_text', text: 'x' },
    ];
    return line(`id-${i}`, { model: 'm', input: [{ role: 'user', content }] }, '/responses');
  });
  expect(await sameObjects(input)).toMatchObject({ spliced: 2, rejected: 2 });
});

const schema = (strict: boolean, more: Body = {}) => ({
  type: 'json_schema',
  json_schema: {
    name: 'answer',
    strict,
    schema: {
      type: 'object',
      properties: { a: { type: 'string', description: 'é.' } },
      required: ['a'],
      additionalProperties: false,
      ...more,
    },
  },
});

it('takes tools and schemas that were looked at', async () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: { '2': 1, '1': 1.0 } } }];
  const many = (more: Body) => TEXTS.map((text, i) => line(`id-${i}`, chat(text, more)));
  expect((await sameObjects(many({ tools }))).spliced).toBe(6);
  expect((await sameObjects(many({ response_format: schema(true) }))).spliced).toBe(6);
  const bad = await sameObjects(many({ response_format: schema(true, { required: [] }) }));
  expect(bad).toMatchObject({ spliced: 0, rejected: 7 });
});

it('looks for the word JSON where the service does', async () => {
  const format = { response_format: { type: 'json_object' } };
  const texts = ['give json', 'nothing', 'JSON', 'j\u0073on', 'Jſon', 'js', 'as Json please'];
  const some = texts.map((text, i) => line(`id-${i}`, chat(text, format)));
  expect(await sameObjects(some)).toMatchObject({ spliced: 3, rejected: 3 });
  const named = { messages: [{ role: 'user', name: 'json', content: 'x' }], ...format };
  const always = texts.map((_, i) => line(`id-${i}`, { model: 'm', ...named }));
  expect((await sameObjects(always)).spliced).toBe(6);
});

/** Lines that no fast way may take for granted, among others that it takes. */
const ODD: Line[] = [
  line('', chat('empty id')),
  line(7, chat('a number')),
  line(null, chat('no id')),
  line('x'.repeat(513), chat('a long id')),
  line('é"\\\n', chat('an odd id')),
  line('id-1', chat('an id that comes again')),
  { ...line('get', chat('x')), method: 'GET' },
  { custom_id: 'no-method', url: '/chat/completions', body: chat('x') },
  line('url', chat('x'), '/nowhere'),
  line('url-2', chat('x'), null),
  line('url-3', chat('x'), 'https://x.test/v1/chat/completions?a=b'),
  line('other', { model: 'gpt-4o', input: 'x' }, '/embeddings'),
  line('body', null),
  line('body-2', []),
  line('body-3', {}),
  line('model', { messages: [{ role: 'user', content: 'x' }] }),
  line('model-2', chat('x', { model: 'another' })),
  line('model-3', chat('x', { model: '' })),
  line('content', chat(null)),
  line('content-2', chat(7)),
  line('content-3', chat([])),
  line('content-4', chat([{ type: 'text', text: 7 }])),
  line('content-5', chat(['x'])),
  line('content-6', chat({ type: 'text', text: 'x' })),
  line('role', { model: 'gpt-4o', messages: [{ role: 'me', content: 'x' }] }),
  line('none', { model: 'gpt-4o', messages: [] }),
  line('text', { model: 'gpt-4o', messages: ['x'] }),
  line('stream', chat('x', { stream: true })),
  line('tools', chat('x', { tools: [{}] })),
  line('format', chat('x', { response_format: { type: 'xml' } })),
  line('json', chat('x', { response_format: { type: 'json_object' } })),
  line('metadata', chat('x', { metadata: { a: 1 } })),
  line('metadata-2', chat('x', { metadata: 'a' })),
  line('image', chat([PART, { type: 'text', text: 'x' }])),
  line('image-2', chat([{ ...PART, image_url: { url: 'a.png' } }])),
  line('seed', chat('x', { seed: 1 })),
  line('seed-2', chat('x', { seed: 2 })),
  line('call', { model: 'gpt-4o', messages: [{ role: 'assistant', tool_calls: [{ id: 'a' }] }] }),
  { body: chat('another order'), url: '/chat/completions', method: 'POST', custom_id: 'order' },
  { ...line('more', chat('another key')), more: [{ '2': 1, '1': 2 }] } as Line,
  line('lone', chat('\ud800 alone')),
  line('mark', chat('x', { stop: '\u{f0000}1\u{f0001}', top_p: 0.5 })),
];

const good = (n: number) => line(`good-${n}`, chat(`row ${n}`));

it('agrees on lines that are wrong, or have to be looked at', async () => {
  const mixed = ODD.flatMap((odd, n) => [good(2 * n), odd, good(2 * n + 1)]);
  const found = await sameObjects([line('id-1', chat('the first')), ...mixed]);
  expect(found.records).toBe(3 * ODD.length + 1);
  expect(found.rejected).toBeGreaterThan(25);
  expect(found.spliced).toBeGreaterThan(2 * ODD.length);
  const twice = ODD.flatMap((odd) => [good(0), odd, odd, good(1)]);
  await sameLines(
    twice.map((each) => JSON.stringify(each)),
    { maxRequests: 2 },
  );
  const given = { model: 'given', endpoint: '/chat/completions' } as const;
  await sameObjects(mixed, { ...BATCH, ...given });
});

it('agrees on lines that are not JSON, or not as they seem', async () => {
  const text = JSON.stringify(good(0));
  const bad = [
    text.slice(0, -1),
    text.slice(0, -3),
    `${text}}`,
    `${text} `,
    ` ${text}`,
    `${text}x`,
    text.replace('row', 'r\tow'),
    text.replace('row', '\\x'),
    text.replace('row', '\\u12'),
    text.replace('row', '\\/'),
    text.replace('"row 0"', 'row'),
    text.replace('"row 0"', '"row 0","content":"twice"'),
    text.replace('"custom_id"', '"custom_id":"twice","custom_id"'),
    text.replace('"model"', '"model":"twice","model"'),
    text.replace('"model"', '"\\u006dodel"'),
    text.replace('"gpt-4o"', '"gpt-4\\u006f"'),
    text.replace('"messages"', '"__proto__":{"a":1},"messages"'),
    text.replace('"messages"', '"2":0,"1":1.50,"messages"'),
    text.replace('"messages"', '"metadata":{"b":"x","7":"y"},"messages"'),
    text.replace('"messages"', `"deep":${'['.repeat(1100)}${']'.repeat(1100)},"messages"`),
    '',
    '[]',
    '{}',
    'null',
    '"text"',
  ];
  const lines = bad.flatMap((one, n) => [
    JSON.stringify(good(2 * n)),
    one,
    one,
    JSON.stringify(good(2 * n + 1)),
  ]);
  for (const end of ['\n', '\r\n']) {
    const found = await sameLines(lines, { end, maxRequests: 100 });
    expect(found.spliced).toBeGreaterThan(2 * bad.length - 10);
  }
});

it('embeds no more texts in a shard than a batch may', async () => {
  const input = Array.from({ length: 60 }, () => 'a');
  const lines = Array.from({ length: 900 }, (_, n) =>
    JSON.stringify(line(`id-${n}`, { model: 'm', input }, '/embeddings')),
  );
  const found = await sameLines(lines, { maxRequests: 1000, write: false });
  expect(found).toMatchObject({ shards: 2, spliced: 899 });
});

it('agrees on records around the length that is built', async () => {
  const lines = [16, 200_000, 262_000, 262_144, 524_300, 1_100_000].flatMap((bytes, n) => {
    const text = 'é words\n'.repeat(bytes / 4).slice(0, bytes);
    return [good(2 * n), line(`long-${n}`, chat(text)), good(2 * n + 1)];
  });
  for (const written of WRITERS) await sameLines(lines.map(written));
});

// The kernel looks at 16 bytes at a time.
it('agrees wherever a text ends, in blocks of any length', async () => {
  const lines = Array.from({ length: 120 }, (_, n) => {
    const [before, behind] = ['x'.repeat(n % 37), 'y'.repeat((n * 7) % 35)];
    const special = ['', '\n', '"', '\\', 'é', '😀', '\\"'][n % 7]!;
    return line(`${'i'.repeat(n % 33)}-${n}`, chat(before + special + behind));
  });
  for (const written of WRITERS) {
    const text = lines.map(written).join('\n');
    const found = await sameLines([text], { maxRequests: 1000 });
    expect(found.spliced).toBe(lines.length - 1);
    for (const size of [1, 2, 3, 17, 4096]) {
      const bytes = Buffer.from(size === 1 ? text.slice(0, 4000) : text);
      const blocks = () => {
        const count = Math.ceil(bytes.length / size);
        return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      };
      const stream = () => Readable.from(blocks(), { objectMode: false });
      const options = { format: 'batch' } as const;
      expect((await same(stream, BATCH, 1000, false, options)).records).toBeGreaterThan(8);
    }
  }
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\0', '\ud800', 'a', '😀', 'json') }),
);
const body = fc.oneof(
  fc.record({ model: fc.constant('m'), messages: messages(text) }),
  fc.record(
    {
      model: fc.constantFrom('m', 'n', ''),
      messages: fc.oneof(messages(fc.oneof(text, fc.jsonValue())), fc.jsonValue()),
      response_format: fc.oneof(fc.constant({ type: 'json_object' }), fc.jsonValue()),
      metadata: fc.dictionary(text, fc.oneof(text, fc.integer())),
      tools: fc.jsonValue(),
      user: text,
    },
    { requiredKeys: ['model', 'messages'] },
  ),
  fc.jsonValue(),
);

function messages(content: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const part = fc.record({ type: fc.constantFrom('text', 'image_url'), text: content });
  return fc.array(
    fc.record({
      role: fc.constantFrom('system', 'user'),
      content: fc.oneof(content, fc.array(part, { maxLength: 2 })),
    }),
    { minLength: 1, maxLength: 3 },
  );
}

it('agrees on whatever lines there are', async () => {
  const lines = fc.array(
    fc.tuple(
      fc.oneof({ weight: 5, arbitrary: fc.uuid() }, fc.constant('same'), fc.jsonValue()),
      body,
      fc.oneof(
        { weight: 9, arbitrary: fc.constant('/chat/completions') },
        fc.constantFrom('/responses', '/v1/embeddings', 7),
      ),
      fc.constantFrom(...WRITERS),
    ),
    { minLength: 1, maxLength: 24 },
  );
  await fc.assert(
    fc.asyncProperty(lines, async (all) => {
      const written = all.map(([id, of, url, write]) => write(line(id, of, url)));
      await sameLines(written);
    }),
    { numRuns: 80 },
  );
});
