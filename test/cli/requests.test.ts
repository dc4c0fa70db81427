import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SourceRecord } from '../../src/core/record.ts';
import { parseCsv } from '../../src/sources/csv.ts';
import { all, from } from '../requests/helpers.ts';
import { png } from '../requests/images.ts';
import { millrace, ndjson, workplace } from './command.ts';

/** A folder with these files, and `path` inside it. */
function folderWith(files: Readonly<Record<string, string | Buffer>>) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  const path = (name: string) => join(folder, name);
  mkdirSync(path('photos'));
  for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
  return path;
}

const LOCAL = ['--service', 'local', '--model', 'gpt-4o'];

describe('chat with images', () => {
  const files = {
    'shops.csv': 'name,photo,plan\nA,photos/a.png,\nB,photos/b.png,photos/a.png\nC,gone.png,\n',
    'photos/a.png': png(1024, 1024),
    'photos/b.png': png(512, 512),
  };
  const flags = [
    '--prompt',
    'What is {{name}}?',
    '--image-field',
    'photo',
    '--image-field',
    'plan',
  ];

  test('from local files, whose tokens are those that the service counts', async () => {
    const path = folderWith(files);
    const job = ['--job', path('s.job'), '--out', path('out.ndjson'), '--keep'];
    const done = await millrace(['run', path('shops.csv'), ...job, ...LOCAL, ...flags]);
    expect(done.stderr).toContain('3: 2 ok, 0 failed, 1 rejected');
    expect(done.code).toBe(2);
    const rows = ndjson(path('out.ndjson'));
    expect(rows[2]).toMatchObject({ status: 'rejected', error: { code: 'image_not_found' } });
    const [, second] = sealed(path('s.job'));
    expect(second?.body.messages?.[0]?.content).toEqual([
      { type: 'text', text: 'What is B?' },
      ...[files['photos/b.png'], files['photos/a.png']].map((image) => ({
        type: 'image_url',
        image_url: { url: `data:image/png;base64,${image.toString('base64')}` },
      })),
    ]);
    const status = await millrace(['status', '--job', path('s.job'), '--json']);
    const { tokens } = JSON.parse(status.stdout);
    expect(tokens.actual).toBe(tokens.estimated);
  });

  test('prepare says where the reasons of the rejected ones stand', async () => {
    const path = folderWith(files);
    const args = ['prepare', path('shops.csv'), '--model', 'gpt-4o', ...flags];
    const { code, stderr } = await millrace([...args, '--job', path('s.job')]);
    expect(code).toBe(2);
    expect(stderr).toContain('1 rejected');
    expect(stderr).toContain(path('s.job/rejected.ndjson'));
  });

  test('are prepared one at a time, whatever their size', async () => {
    const path = folderWith({
      'many.csv': `photo\n${'big.png\n'.repeat(150)}`,
      'big.png': png(2000, 1000, 1_500_000),
    });
    const args = ['estimate', path('many.csv'), '--model', 'gpt-4o', '--prompt', 'x', '--json'];
    // All of them at once are 300 MB of text.
    const nodeFlags = ['--max-old-space-size=96'];
    const done = await millrace([...args, '--image-field', 'photo'], { nodeFlags });
    expect(done.stderr).toBe('');
    expect(JSON.parse(done.stdout)).toMatchObject({ requests: 150, shards: 2 });
  });
});

test('chat with a schema: a column for each property', async () => {
  const schema = {
    title: 'Mood of a review',
    type: 'object',
    properties: {
      mood: { enum: ['good', 'bad'] },
      stars: { type: 'integer', minimum: 1, maximum: 5 },
      tags: { type: 'array', items: { type: 'string' } },
    },
    required: ['mood', 'stars', 'tags'],
    additionalProperties: false,
  };
  const path = folderWith({
    'r.csv': 'stars,text\n9,fine\n8,poor\n',
    'mood.json': JSON.stringify(schema),
    'bad.json': JSON.stringify({ ...schema, required: ['mood'] }),
  });
  const run = (name: string, out: string, more: string[] = []) =>
    millrace([
      ...['run', path('r.csv'), '--job', path(`${out}.job`), '--out', path(out), ...LOCAL],
      ...['--prompt', 'Rate: {{text}}', '--schema', path(name), ...more],
    ]);
  expect(await run('mood.json', 'rows.ndjson')).toMatchObject({ code: 0 });
  for (const row of ndjson(path('rows.ndjson'))) {
    const { output, response } = row as { output: { mood: string }; response: { body: never } };
    expect(['good', 'bad']).toContain(output.mood);
    const { choices } = response.body as { choices: [{ message: { content: string } }] };
    expect(JSON.parse(choices[0].message.content)).toEqual(output);
  }
  expect(await run('mood.json', 'rows.csv')).toMatchObject({ code: 0 });
  expect(readFileSync(path('rows.csv'), 'utf8').split('\r\n')[0]).toBe(
    'stars,text,mood,output_stars,tags,content,finish_reason,status,error,prompt_tokens,completion_tokens',
  );
  const cut = await run('mood.json', 'cut.ndjson', ['--param', 'max_tokens=1']);
  expect(cut.code).toBe(2);
  expect(cut.stderr).toMatch(/failed +2 output_cut/);
  expect(ndjson(path('cut.ndjson'))[0]).toMatchObject({
    status: 'failed',
    error: { code: 'output_cut' },
    attempts: [{ code: 'output_cut' }],
  });
  const bad = await run('bad.json', 'bad.ndjson');
  expect(bad.code).toBe(1);
  expect(bad.stderr).toContain('the schema at # must list "stars" as required');
});

test('a module with a schema object, in steps, which judges by its own checks', async () => {
  const path = folderWith({
    'r.csv': 'text\none\ntwo\n',
    // Takes no answer, though every one follows its JSON Schema.
    'request.ts': `
      const schema = {
        type: 'object', properties: { a: { type: 'string' } }, required: ['a'],
        additionalProperties: false,
      };
      const standard = {
        version: 1,
        vendor: 'test',
        jsonSchema: { input: () => schema },
        validate: (value: { a: string }) => ({ issues: [{ message: 'never good', path: ['a'] }] }),
      };
      export default { prompt: 'Say {{text}}', schema: { '~standard': standard } };`,
  });
  const job = ['--job', path('m.job')];
  const request = ['--model', 'gpt-4o', '--request', path('request.ts')];
  expect(await millrace(['prepare', path('r.csv'), ...job, ...request])).toMatchObject({ code: 0 });
  await millrace(['submit', ...job, '--service', 'local']);
  const done = await millrace(['collect', ...job, '--wait', '--out', path('out.ndjson')]);
  expect(done.stderr).toContain('2: 0 ok, 2 failed');
  expect(ndjson(path('out.ndjson'))[0]).toMatchObject({
    error: { code: 'schema_mismatch', message: 'the answer does not fit: a never good' },
  });
});

test('responses: instructions, input, a schema, and flat rows', async () => {
  const schema = {
    type: 'object',
    properties: { answer: { type: 'string' } },
    required: ['answer'],
    additionalProperties: false,
  };
  const path = folderWith({ 'r.csv': 'text\none\ntwo\n', 's.json': JSON.stringify(schema) });
  const done = await millrace([
    ...['run', path('r.csv'), '--job', path('r.job'), '--out', path('r.csv.out.csv'), ...LOCAL],
    ...['--endpoint', '/responses', '--system', 'Be brief.', '--prompt', '{{text}}', '--keep'],
    ...['--schema', path('s.json'), '--param', 'reasoning={"effort":"low"}'],
  ]);
  expect(done.stderr).toContain('2: 2 ok');
  const [request] = sealed(path('r.job'));
  expect(request).toMatchObject({
    url: '/responses',
    body: {
      instructions: 'Be brief.',
      input: 'one',
      text: { format: { type: 'json_schema', name: 'answer', strict: true, schema } },
      reasoning: { effort: 'low' },
    },
  });
  const [row] = await flat(path('r.csv.out.csv'));
  expect(row).toMatchObject({ text: 'one', finish_reason: 'completed', status: 'ok', error: '' });
  expect(JSON.parse(row?.content ?? '')).toEqual({ answer: row?.answer });
  expect(Number(row?.prompt_tokens)).toBeGreaterThan(0);
  expect(Number(row?.completion_tokens)).toBeGreaterThan(0);
});

test('embeddings: vectors as arrays, with their dimensions', async () => {
  const path = folderWith({ 'e.csv': 'text\none\ntwo\n' });
  const run = (out: string) =>
    millrace([
      ...['run', path('e.csv'), '--job', path(`${out}.job`), '--out', path(out)],
      ...['--service', 'local', '--model', 'text-embedding-3-small', '--prompt', '{{text}}'],
      ...['--endpoint', '/embeddings', '--param', 'dimensions=8', '--flat'],
    ]);
  expect((await run('e.out.csv')).stderr).toContain('2: 2 ok');
  const [row] = await flat(path('e.out.csv'));
  expect(row).toMatchObject({ text: 'one', dimensions: '8', prompt_tokens: '1', status: 'ok' });
  expect(JSON.parse(row?.content ?? '')).toHaveLength(8);
  await run('e.ndjson');
  const [, second] = ndjson(path('e.ndjson'));
  expect(second).toMatchObject({ text: 'two', dimensions: 8, status: 'ok' });
  expect(second?.content).toHaveLength(8);
  expect(second?.content).toContainEqual(expect.any(Number));
  const price = async (...more: string[]) =>
    (await millrace(['estimate', path('e.csv'), '--prompt', '{{text}}', ...more])).stdout;
  expect(await price('--model', 'gpt-4o')).toContain('the output comes on top');
  const embedded = await price(
    ...['--model', 'text-embedding-3-small', '--endpoint', '/embeddings'],
  );
  expect(embedded).toContain('USD for the input');
  expect(embedded).not.toContain('output');
});

test('a request that is the same for every record is doubted', async () => {
  const { source } = workplace(2);
  const estimate = (prompt: string) =>
    millrace(['estimate', source, '--model', 'gpt-4o', '--id-field', 'id', '--prompt', prompt]);
  expect((await estimate('Label: {text}')).stderr).toContain('names no field');
  expect((await estimate('Label: {{text}}')).stderr).toBe('');
});

test('estimate tells why records would be rejected, and where the first of each lies', async () => {
  const lines = ['{"text":"x"}', '{"id":2}', 'not json', '{"id":4}', '{bad', '{"id":6}'];
  const path = folderWith({ 'e.ndjson': lines.join('\n') });
  const args = ['estimate', path('e.ndjson'), '--model', 'gpt-4o', '--prompt', '{{text}}'];
  const { stdout } = await millrace(args);
  expect(stdout).toMatch(
    /3 missing_field, the first in .*e\.ndjson, row 2, byte 13: .*no field text/,
  );
  expect(stdout).toMatch(/2 invalid_json, the first in .*e\.ndjson, row 3, byte 22: /);
  const { reasons } = JSON.parse((await millrace([...args, '--json'])).stdout);
  expect(reasons).toMatchObject([
    { code: 'missing_field', records: 3, first: { row: 2, byte: 13 } },
    { code: 'invalid_json', records: 2, first: { row: 3, byte: 22 } },
  ]);
});

test('validate holds a file to the limits of its service', async () => {
  const lines = Array.from({ length: 50_001 }, (_, id) =>
    JSON.stringify({
      custom_id: `${id}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'm', messages: [{ role: 'user', content: '' }] },
    }),
  );
  const path = folderWith({ 'many.jsonl': lines.join('\n') });
  expect(await millrace(['validate', path('many.jsonl')])).toMatchObject({ code: 0 });
  const service = ['--service', 'https://api.openai.com/v1'];
  const done = await millrace(['validate', path('many.jsonl'), ...service]);
  expect(done.stdout).toContain(
    'too_many_tasks  the file holds 50001 requests; the service takes 50000',
  );
  expect(done.code).toBe(2);
});

interface Line {
  url: string;
  body: { messages?: { content: unknown }[] };
}

/** The request lines of a job that kept its only shard. */
function sealed(job: string): Line[] {
  const [name] = readdirSync(join(job, 'shards')).filter((file) =>
    file.endsWith('.requests.jsonl'),
  );
  return ndjson(join(job, 'shards', name ?? 'none')) as unknown as Line[];
}

/** The rows of a CSV, by their columns. */
async function flat(path: string): Promise<Record<string, string>[]> {
  const items = await all(parseCsv()(from([readFileSync(path)])));
  return items.map((item) => (item instanceof SourceRecord ? item.record : {}));
}

test('--max-cost without a price stops before anything is sent, and says what helps', async () => {
  const path = folderWith({ 'r.csv': 'text\none\n' });
  const args = ['run', path('r.csv'), '--service', 'local', '--model', 'mine', '--prompt', 'x'];
  const run = (name: string, ...more: string[]) =>
    millrace([...args, '--max-cost', '1', '--job', path(name), '--out', path('o.csv'), ...more]);
  const stopped = await run('a.job');
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain('begin another job with a --base-model that has one');
  const status = await millrace(['status', '--job', path('a.job'), '--json']);
  expect(JSON.parse(status.stdout)).toMatchObject({ state: 'paused', batches: 0 });
  expect(await run('b.job', '--base-model', 'gpt-4o')).toMatchObject({ code: 0 });
});
