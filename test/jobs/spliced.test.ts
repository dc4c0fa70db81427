import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RequestDefinition } from '../../src/requests/definition.ts';
import { fileOf, same } from './both-ways.ts';

const prompt: RequestDefinition = {
  kind: 'prompt',
  model: 'm"1',
  system: 'Answer in "one" word.\n{{title}}',
  prompt: 'Label:\n{{text}} / {{title}}\u2028{{text}}',
  parameters: { temperature: 0 },
};

const ROWS = [
  'id,title,text',
  'a,plain,words',
  'b,"quo""ted","line\nbreak, and\ttab"',
  'c,,',
  'd,é中😀,"\u2028\u0001\u001f\u007f back\\slash"',
  'e,5" disk,un"quoted',
  'f,"mixed"tail,"closed" open',
  'ragged,row',
  `g,"${'long '.repeat(60_000)}",x`,
  'a,again,the id comes twice',
  'h,<|endoftext|>,\ufeffmark',
].join('\r\n');

it('writes CSV as the plain way does', async () => {
  const path = await fileOf('rows.csv', `${ROWS}\r\n`);
  const found = await same(path, prompt);
  expect(found).toMatchObject({ records: 10, rejected: 1 });
  // The mixed field and the long record are made plain objects.
  expect(found.spliced).toBe(7);
  const own = await same(path, { ...prompt, idField: 'id' });
  expect(own).toMatchObject({ rejected: 1 });
  const twice = await same(path, { ...prompt, idField: 'id' }, 100);
  expect(twice).toMatchObject({ rejected: 2 });
});

it('takes every kind of declared text', async () => {
  const path = await fileOf('rows.csv', `${ROWS}\r\n`);
  const common = { model: 'm', prompt: '{{text}}', kind: 'prompt' } as const;
  const responses = await same(path, { ...common, endpoint: '/responses', system: 'Be {{id}}.' });
  expect(responses.spliced).toBeGreaterThan(6);
  const embeddings = await same(path, { ...common, endpoint: '/embeddings' });
  expect(embeddings).toMatchObject({ rejected: 2 });
  const content = [{ type: 'text', text: 'See {{text}}' }];
  const body = { messages: [{ role: 'user', content }], max_tokens: 5 };
  expect((await same(path, { kind: 'body', model: 'm', body })).spliced).toBeGreaterThan(6);
});

it('leaves alone what cannot be known without building it', async () => {
  const path = await fileOf('rows.csv', `${ROWS}\r\n`);
  const messages = [{ role: '{{title}}', content: '{{text}}' }];
  expect((await same(path, { kind: 'body', model: 'm', body: { messages } })).spliced).toBe(0);
  const named = [{ role: 'user', content: '{{text}}', name: '{{id}}' }];
  const user: RequestDefinition = { kind: 'body', model: 'm', body: { messages: named } };
  expect((await same(path, user)).spliced).toBe(0);
  const image = { ...prompt, imageField: 'id' } as RequestDefinition;
  expect((await same(path, image)).spliced).toBe(0);
  const numbered = await fileOf('numbers.csv', 'b,2020,text,title\n1,2,3,4\n');
  expect((await same(numbered, prompt)).spliced).toBe(0);
});

const LINES = [
  '{"id":"a","title":"t","text":"plain","n":1}',
  '{"id":"b","title":"é","text":"\\"q\\" \\\\ \\n\\t\\b\\f\\r","n":-1.5}',
  '{"id":"c","title":"\\u00e9\\u4e2d","text":"\\ud83d\\ude00 \\/","n":1.0}',
  '{"id":"d","title":"lone \\ud800","text":"\\u0001\\u001f","n":1e3}',
  '{"id":"e","title":null,"text":7,"n":[1, {"b":1,"a":[]}]}',
  '{"id":"f","title":true,"text":0.1,"n":{"2":1,"1":2}}',
  '{"id":"g", "title":"blank","text":"x","n":1}',
  '{"title":"order","id":"h","text":"x","n":1}',
  '{"title":"order","id":"i","text":"next","n":-0}',
  '{"title":"order","id":"j","text":"next","n":12345678901234567890}',
  '{"title":"order","id":"k","text":"next","n":007}',
  '{"title":"order","id":"k","text":"next","n":-Infinity}',
  '{"title":"order","id":"k","text":1e400,"n":[-1e400]}',
  '{"title":"order","id":"k","text":"next","n":1}}',
  '{"title":"order","id":"k","id":"l","text":"twice","n":1}',
  '{"title":"order","id":"m","text":"tab\there","n":1}',
  '{"title":"order","id":"m","text":"cut',
  '{"title":"order","id":"m","n":1}',
  '{"title":"order","id":"m","text":{"deep":1},"n":1}',
  '{"title":"order","id":5,"text":"","n":1}',
  '{"__proto__":"p","id":"n","title":"","text":"\u2028"}',
  '{"__proto__":"p","id":"o","title":"","text":"\u2029"}',
  '[]',
  '{}',
  `{"id":"p","title":"long","text":"${'word '.repeat(70_000)}"}`,
  `{"id":"q","title":"long","text":"${'\\n'.repeat(150_000)}"}`,
];

it('writes NDJSON as the plain way does', async () => {
  for (const end of ['\n', '\r\n']) {
    const path = await fileOf('lines.ndjson', LINES.join(end));
    const found = await same(path, prompt);
    expect(found.records).toBe(LINES.length);
    expect(found.spliced).toBeGreaterThan(6);
    await same(path, { ...prompt, idField: 'id' });
    await same(path, {
      kind: 'body',
      model: 'm',
      body: { messages: [{ role: 'user', content: '{{text}}' }] },
    });
  }
});

it('writes keys as the plain way does, however they are spelt', async () => {
  const keys = ['\\uD800', '\\ud800', '\\u001F', '\\u001f', '\\u00E9', '\\/', '\\u0041', 'é', 'A'];
  for (const key of keys) {
    const line = (n: number) => `{"id":"k${n}","${key}":${n},"title":"t","text":"row ${n}"}`;
    const path = await fileOf(
      'keys.ndjson',
      Array.from({ length: 8 }, (_, n) => line(n)).join('\n'),
    );
    expect((await same(path, prompt)).records).toBe(8);
  }
});

it('knows several shapes at a time, and which fields each of them has', async () => {
  const of = (n: number) => {
    const common = { id: `k${n}`, text: `row ${n}` };
    return n % 3 === 0 ? common : { ...common, title: 't', ...(n % 3 === 1 ? {} : { n }) };
  };
  const lines = Array.from({ length: 30 }, (_, n) => JSON.stringify(of(n)));
  const found = await same(await fileOf('shapes.ndjson', lines.join('\n')), prompt);
  // A record without the field is rejected, and of each shape one line is parsed.
  expect(found).toMatchObject({ rejected: 10, spliced: 18 });
});

/** As Python's json.dumps writes it: blanks behind commas and colons, ASCII only. */
function asPython(record: object): string {
  const members = Object.entries(record).map(
    ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  return `{${members.join(', ')}}`.replace(/[^\0-\x7e]/g, asEscape);
}

function asEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

it('takes lines with blanks, escapes and numbers of every kind', async () => {
  const titles = ['é中\u2028', '😀 "q" \\', '\u007f\u0080', '', '\ud800 alone', '\u0000\t/'];
  const numbers = [0, 7, -3, 0.5, 83.4, -0.25, 1e21, 1e-7, 0.000001, 123456789.12345];
  const lines = Array.from({ length: 60 }, (_, n) =>
    asPython({
      id: `r${n}`,
      title: titles[n % titles.length],
      text: titles[(n * 5 + 1) % titles.length],
      n: numbers[n % numbers.length],
      tags: n % 3 === 0 ? [1, { a: 'é' }] : null,
    }),
  );
  const odd = ['1.50', '0.0', '-0', '00.5', '5.', '.5', '1.5.5', '1e5', '0.0000001', '-'].map((n) =>
    lines[0]!.replace('"n": 0', `"n": ${n}`),
  );
  const broken = ['\\x', '\\u12', '\\u12g4', '\\/', '\\ud83d\\u0041'].map((text) =>
    lines[1]!.replace('"title": "', `"title": "${text}`),
  );
  const path = await fileOf('python.ndjson', [...lines, ...odd, ...broken, lines[0]].join('\n'));
  const found = await same(path, prompt);
  expect(found.records).toBe(76);
  // Half of a surrogate pair in a text is looked at by the plain way, and so is what is not JSON.
  expect(found.spliced).toBeGreaterThan(40);
  await same(path, { ...prompt, prompt: '{{n}}' });
});

it('writes the elements of an array as the plain way does', async () => {
  const whole = LINES.filter((line) => {
    try {
      return JSON.parse(line) !== undefined;
    } catch {
      return false;
    }
  });
  for (const [between, before] of [
    [',', ''],
    ['\n,\n  ', '\ufeff \n'],
  ]) {
    const path = await fileOf('array.json', `${before}[${whole.join(between)}\n]`);
    const found = await same(path, prompt);
    expect(found.records).toBe(whole.length);
    expect(found.spliced).toBeGreaterThan(6);
    await same(path, { ...prompt, idField: 'id' });
    const text = `{"meta":{"rows":[1]},"data":{"rows":[${whole.join(between)}\n],"more":[{}]}}`;
    const options = { jsonPath: 'data.rows' };
    const inside = await same(await fileOf('inside.json', text), prompt, 7, true, options);
    expect(inside.records).toBe(whole.length);
    expect(inside.spliced).toBe(found.spliced);
  }
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\r', ',', '\0', '\u001f', 'a', '😀', '\u0085'),
    maxLength: 30,
  }),
);

it('agrees on whatever records there are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ title: text, text }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      async (records, escaped) => {
        const quoted = (value: string) =>
          /[",\r\n]/.test(value) || value === '' ? `"${value.replaceAll('"', '""')}"` : value;
        const csv = records.map((record) => `${quoted(record.title)},${quoted(record.text)}\n`);
        await same(await fileOf('any.csv', `title,text\n${csv.join('')}`), prompt, 7, false);
        const json = records.map((record) => JSON.stringify(record));
        const lines = escaped ? records.map(asPython) : json;
        await same(await fileOf('any.ndjson', `${lines.join('\n')}\n`), prompt, 7, false);
        await same(await fileOf('any.json', `[${lines.join(',')}]`), prompt, 7, false);
      },
    ),
    { numRuns: 60 },
  );
});

// The kernel looks at 16 bytes at a time.
it('agrees wherever an escape stands', async () => {
  const odd = [
    '\\n',
    '\\\\',
    '\\"',
    '\\/',
    '\\u00e9',
    '\\ud83d\\ude00',
    '\\u0007',
    'é',
    '\\n\\n',
    '\\\\"',
  ];
  const places = Array.from({ length: 36 }, (_, n) => n);
  const texts = odd.flatMap((special) =>
    places.map((n) => `${'x'.repeat(n)}${special}${'y'.repeat((n * 7) % 35)}`),
  );
  const whole = texts.filter((text) => !text.includes('\\\\"'));
  const lines = texts.map((text, n) => `{"title":"${whole[n % whole.length]}","text":"${text}"}`);
  const found = await same(await fileOf('places.ndjson', lines.join('\n')), prompt, 1000, false);
  expect(found.spliced).toBeGreaterThan(300);
  const elements = lines.filter((line) => !line.includes('\\\\"'));
  await same(await fileOf('places.json', `[${elements.join(', ')}]`), prompt, 1000, false);
  const values = whole.map((text) => String(JSON.parse(`"${text}"`)).replaceAll('"', '""'));
  const csv = values.map((value, n) => `"${value}",${n % 3 === 0 ? 'plain' : `"${value}"`}\n`);
  const rows = await fileOf('places.csv', `title,text\n${csv.join('')}`);
  expect((await same(rows, prompt, 1000, false)).spliced).toBe(whole.length);
});

it('agrees on records around the length that is made plain objects', async () => {
  const lengths = [16, 262_060, 262_144, 524_300, 1_100_000];
  const records = lengths.map((n) => ({ title: 't', text: 'é words\n'.repeat(n / 4).slice(0, n) }));
  const lines = records.flatMap((record) => [
    JSON.stringify(record),
    asPython({ ...record, n: 1 }),
  ]);
  await same(await fileOf('long.ndjson', lines.join('\n')), prompt, 7, false);
  const csv = records.map(({ title, text }) => `${title},"${text}"\n`);
  await same(await fileOf('long.csv', `title,text\n${csv.join('')}`), prompt, 7, false);
});

it('agrees on values of every kind', async () => {
  const line = fc.record({ title: fc.jsonValue(), text: fc.jsonValue(), other: fc.jsonValue() });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), async (records) => {
      const lines = records.map((record) => JSON.stringify(record)).join('\n');
      await same(await fileOf('any.ndjson', lines), prompt, 7, false);
    }),
    { numRuns: 60 },
  );
});

it('agrees on real text of many languages', async () => {
  const path = new URL('../../examples/data/texts.csv', import.meta.url).pathname;
  const [header = ''] = (await readFile(path, 'utf8')).split('\n', 1);
  const [title = '', text = ''] = [header.split(',')[0], header.split(',').at(-1)];
  const request: RequestDefinition = {
    kind: 'prompt',
    model: 'm',
    prompt: `Label {{${title.trim()}}}: {{${text.trim()}}}`,
  };
  const found = await same(path, request, 1000);
  expect(found.records).toBeGreaterThan(2000);
  expect(found.spliced).toBe(found.requests);
});
