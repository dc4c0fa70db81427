import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EMULATOR_KEY,
  type Emulator,
  parseSwitches,
  startEmulator,
} from '../../src/emulator/index.ts';
import { type Caller, callerOf } from './help.ts';

describe('the guard', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ speed: 1_000_000 });
  });
  afterAll(() => emulator.close());

  /** A raw call, since fetch does not let a caller choose the Host. */
  const raw = (headers: Record<string, string>, path = '/v1/files') =>
    new Promise<number>((resolve, reject) => {
      const call = request(`${emulator.url}${path}`, { headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      call.on('error', reject);
      call.end();
    });

  test.each([
    ['127.0.0.1', 200],
    ['localhost:1234', 200],
    ['[::1]:80', 200],
    ['evil.example', 421],
    ['127.0.0.1.evil.example', 421],
  ])('a call to the host %s is answered with %i', async (host, status) => {
    expect(await raw({ host, 'api-key': EMULATOR_KEY })).toBe(status);
  });

  test.each([
    [{}, 401],
    [{ 'api-key': 'x' }, 401],
    [{ authorization: `Bearer ${EMULATOR_KEY}` }, 200],
    [{ authorization: EMULATOR_KEY }, 401],
    [{ 'api-key': 'x', authorization: `Bearer ${EMULATOR_KEY}` }, 200],
  ] as const)('%j is answered with %i', async (headers, status) => {
    expect(await raw(headers)).toBe(status);
  });

  test('nothing is allowed to pages of other origins', async () => {
    const answer = await fetch(`${emulator.url}/v1/files`, {
      headers: { 'api-key': EMULATOR_KEY, origin: 'https://evil.example' },
    });
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual(
      [],
    );
  });

  test.each([
    ['/openai/files', 404],
    ['/openai/files?api-version=soon', 404],
    ['/openai/files?api-version=2024-10-21', 200],
    ['/openai/v1/files', 200],
    ['/openai/deployments/d/batches?api-version=2024-10-21', 200],
    ['/elsewhere', 404],
  ])('%s is answered with %i', async (path, status) => {
    expect(await raw({ 'api-key': EMULATOR_KEY }, path)).toBe(status);
  });

  test('a path that is none is told as the service tells it', async () => {
    const caller = callerOf(emulator.url, EMULATOR_KEY);
    expect((await caller.call('GET', '/nowhere')).json).toEqual({
      error: { code: '404', message: 'Resource not found' },
    });
  });

  test('a switch leaves only one way in', async () => {
    await using strict = await startEmulator({
      switches: { auth: 'api-key', paths: ['/openai'], apiVersion: 'optional' },
    });
    const get = (path: string, headers: Record<string, string>) =>
      fetch(`${strict.url}${path}`, { headers }).then(({ status }) => status);
    expect(await get('/openai/files', { 'api-key': EMULATOR_KEY })).toBe(200);
    expect(await get('/openai/files', { authorization: `Bearer ${EMULATOR_KEY}` })).toBe(401);
    expect(await get('/v1/files', { 'api-key': EMULATOR_KEY })).toBe(404);
  });

  test.each([
    [{ host: '0.0.0.0' }, 'the default key is known to all'],
    [{ speed: 0 }, 'speed is 0'],
    [{ key: '' }, 'the key is empty'],
    [{ upstream: 'x', answer: () => '' }, 'choose one'],
    [{ upstream: 'ftp://x' }, 'http or https'],
    [{ profile: 'aws' as 'azure' }, 'no profile aws'],
    [{ switches: { nothing: 1 } as object }, 'no switch nothing'],
    [{ switches: { range: 'yes' as unknown as boolean } }, 'range must be a boolean'],
    [{ concurrency: 0 }, 'concurrency is 0'],
    [{ port: 70_000 }, 'port is 70000'],
    [{ enqueuedTokens: -1 }, 'must not be negative'],
  ])('%j cannot be', async (options, message) => {
    await expect(startEmulator(options)).rejects.toThrow(message);
  });
});

test('a port that is taken is told, and nothing is left behind', async () => {
  await using first = await startEmulator();
  const port = Number(new URL(first.url).port);
  await expect(startEmulator({ port })).rejects.toMatchObject({ code: 'port_in_use' });
});

test('switches are read from the texts of a command line', () => {
  const texts = ['timestamps=iso', 'zeroByteErrorFile=false', 'pendingSeconds=[0,0]'];
  expect(parseSwitches(texts)).toEqual({
    timestamps: 'iso',
    zeroByteErrorFile: false,
    pendingSeconds: [0, 0],
  });
  expect(() => parseSwitches(['timestamps'])).toThrow('write name=value');
  expect(() => parseSwitches(['maxFiles=many'])).toThrow('maxFiles must be a number');
  // A word that JSON has too.
  expect(parseSwitches(['unknownCounts=null'])).toEqual({ unknownCounts: 'null' });
  expect(parseSwitches(['inputLifeSeconds=null'])).toEqual({ inputLifeSeconds: null });
  expect(() => parseSwitches(['timestamps=ISO'])).toThrow('must be one of iso, int');
  expect(() => parseSwitches(['createStatus=202'])).toThrow('must be one of 200, 201');
  expect(() => parseSwitches(['pendingSeconds=[5]'])).toThrow('list of two numbers');
  expect(() => parseSwitches(['maxFiles=-1'])).toThrow('maxFiles must be a number');
});

describe('bodies', () => {
  let emulator: Emulator;
  let caller: Caller;
  beforeAll(async () => {
    emulator = await startEmulator({
      speed: 1_000_000,
      switches: { maxFileBytes: 1000, range: true },
    });
    caller = callerOf(`${emulator.url}/openai`, emulator.key);
  });
  afterAll(() => emulator.close());

  test('a file of the largest size is taken, and one byte more is not', async () => {
    expect((await caller.upload('x'.repeat(1000))).status).toBe(201);
    const refused = await caller.upload('x'.repeat(1001));
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('too large')]);
    expect((await caller.upload('x'.repeat(100_000))).status).toBe(400);
  });

  test('JSON bodies are bounded', async () => {
    const big = await caller.call('POST', '/batches', { metadata: { a: 'x'.repeat(2_000_000) } });
    expect(big.status).toBe(413);
  });

  const multipart = (parts: string) =>
    fetch(`${emulator.url}/v1/files`, {
      method: 'POST',
      headers: { 'api-key': emulator.key, 'content-type': 'multipart/form-data; boundary=b' },
      body: parts.replaceAll('\n', '\r\n'),
    });
  const purpose = '--b\nContent-Disposition: form-data; name="purpose"\n\nbatch\n';
  const file = (type: string) =>
    `--b\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\n${type}\n{}\n`;

  test('a part without a content type is refused, in either order of the parts', async () => {
    for (const body of [`${purpose}${file('')}--b--\n`, `${file('')}${purpose}--b--\n`]) {
      const answer = await multipart(body);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('The file has no or an empty content type specified');
    }
    const typed = file('Content-Type: text/plain\n');
    for (const body of [`${purpose}${typed}--b--\n`, `${typed}${purpose}--b--\n`]) {
      expect((await multipart(body)).status).toBe(201);
    }
  });

  test.each([
    [`${purpose}--b--\n`, 'file'],
    [`${file('Content-Type: a/b\n')}--b--\n`, 'purpose'],
  ])('a form that lacks a part says which', async (body, name) => {
    const answer = await multipart(body);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(name)]);
  });

  test('a wrong suffix, a wrong purpose, an old version, each in the service’s words', async () => {
    const suffix = await caller.upload('{}', { purpose: 'batch' }, 'a.json');
    expect(suffix.text).toContain('fileName contains an invalid filename: wrong suffix.');
    const wrong = await caller.upload('{}', { purpose: 'assistants' });
    expect(wrong.json).toEqual({
      error: { code: 'invalidPayload', message: 'Invalid value for purpose.' },
    });
    const old = callerOf(`${emulator.url}/openai`, emulator.key, '?api-version=2024-02-01');
    expect((await old.upload('{}')).json).toEqual(wrong.json);
  });

  test.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=10-', 416, undefined, 'bytes */10'],
    ['lines=1-2', 200, '0123456789', null],
  ])('%s of a file', async (range, status, text, contentRange) => {
    const { id } = (await caller.upload('0123456789')).json;
    const answer = await fetch(`${emulator.url}/v1/files/${id}/content`, {
      headers: { 'api-key': emulator.key, range },
    });
    const body = await answer.text();
    expect([answer.status, answer.headers.get('content-range')]).toEqual([status, contentRange]);
    if (text !== undefined) expect(body).toBe(text);
  });

  test('without the switch a range is not heard', async () => {
    await using plain = await startEmulator();
    const { id } = (await callerOf(`${plain.url}/openai`, plain.key).upload('0123')).json;
    const answer = await fetch(`${plain.url}/v1/files/${id}/content`, {
      headers: { 'api-key': plain.key, range: 'bytes=2-' },
    });
    expect([answer.status, await answer.text()]).toEqual([200, '0123']);
  });

  test.each([
    { input_file_id: 3 },
    { input_file_id: 'x', endpoint: '/chat/completions' },
    { input_file_id: 'x', endpoint: 'e', completion_window: '24h', metadata: { a: 1 } },
    { input_file_id: 'x', endpoint: 'e', completion_window: '24h', metadata: [] },
    {
      input_file_id: 'x',
      endpoint: 'e',
      completion_window: '24h',
      output_expires_after: { seconds: 1 },
    },
  ])('create with %j is 400', async (body) => {
    expect((await caller.call('POST', '/batches', body)).status).toBe(400);
  });

  test.each(['/batches?limit=0', '/batches?limit=101', '/batches?after=no', '/files?order=up'])(
    '%s is 400',
    async (path) => {
      expect((await caller.call('GET', path)).status).toBe(400);
    },
  );
});

describe('profiles on the wire', () => {
  test('the REST examples: ISO times, Validating, null counts, no endpoint', async () => {
    await using emulator = await startEmulator({ profile: 'azure-rest', speed: 1000 });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    const id = await caller.submit('{}');
    const { data, ...list } = (await caller.call('GET', '/batches')).json;
    expect(list).toEqual({ first_id: id, last_id: id, has_more: false });
    const [batch] = data as Record<string, unknown>[];
    expect(batch).toMatchObject({
      status: 'Validating',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00$/),
      request_counts: { total: null, completed: null, failed: null },
    });
    expect(batch).not.toHaveProperty('endpoint');
  });

  test('a file without a status, as one was recorded', async () => {
    await using emulator = await startEmulator({ switches: { fileStatus: 'null' } });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    expect((await caller.upload('x')).json).toMatchObject({ object: 'file', status: null });
  });

  test('v1: empty strings for ids; value lists by a switch', async () => {
    await using emulator = await startEmulator({
      profile: 'azure-v1',
      switches: { listEnvelope: 'value' },
    });
    const caller = callerOf(`${emulator.url}/openai/v1`, emulator.key, '');
    expect((await caller.call('GET', '/batches')).json).toEqual({
      object: 'list',
      value: [],
      first_id: null,
      last_id: null,
      has_more: false,
    });
  });

  test('the preview’s filter is heard with a preview version only', async () => {
    await using emulator = await startEmulator({ speed: 1_000_000 });
    const query = (version: string) =>
      callerOf(`${emulator.url}/openai`, emulator.key, `?api-version=${version}`);
    const caller = query('2024-10-21');
    const ids = [await caller.submit('{'), await caller.submit('{')];
    for (const id of ids) await caller.reach(id, 'failed');
    const list = async (version: string, more: string) =>
      ((await query(version).call('GET', `/batches?${more}`)).json.data as { id: string }[]).map(
        (batch) => batch.id,
      );
    const completed = "$filter=created_at%20gt%201728860560%20and%20status%20eq%20'Completed'";
    expect(await list('2024-10-01-preview', completed)).toEqual([]);
    expect(await list('2024-10-21', completed)).toHaveLength(2);
    expect(await list('2025-04-01-preview', '$orderby=created_at%20asc')).toEqual(ids);
    expect(await list('2024-10-21', '')).toEqual([...ids].reverse());
  });
});
