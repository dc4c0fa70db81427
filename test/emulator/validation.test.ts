import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulator, startEmulator } from '../../src/emulator/index.ts';
import { type Caller, callerOf, chatLine } from './help.ts';

const good = (id: string) => chatLine(id, 'Hello');
const body = (over: Record<string, unknown>) => ({
  body: { model: 'gpt-4o-batch', messages: [{ role: 'user', content: 'Hi' }], ...over },
});

/** Files that fail, with the code, line and param of the first error. */
const CASES: readonly (readonly [
  name: string,
  content: string,
  code: string,
  line: number | null,
  param: string | null,
])[] = [
  ['broken JSON', `${good('a')}\n{"custom_id":`, 'invalid_json_line', 2, null],
  ['a line that is a list', '[]', 'invalid_request', 1, null],
  ['no custom_id', chatLine('a', 'x', { custom_id: 7 }), 'invalid_request', 1, 'custom_id'],
  ['not POST', chatLine('a', 'x', { method: 'GET' }), 'invalid_request', 1, 'method'],
  ['no body', chatLine('a', 'x', { body: null }), 'invalid_request', 1, 'body'],
  ['no messages', chatLine('a', 'x', body({ messages: 1 })), 'invalid_request', 1, 'body.messages'],
  [
    'the same id twice',
    `${good('a')}\n${good('b')}\n${good('a')}`,
    'duplicate_custom_id',
    3,
    'custom_id',
  ],
  [
    'two models',
    `${good('a')}\n${chatLine('b', 'x', body({ model: 'gpt-4o' }))}`,
    'model_mismatch',
    2,
    'body.model',
  ],
  [
    'two urls',
    `${good('a')}\n${chatLine('b', 'x', { url: '/responses' })}`,
    'url_mismatch',
    2,
    'url',
  ],
  ['an unknown url', chatLine('a', 'x', { url: '/moderations' }), 'url_mismatch', 1, 'url'],
  [
    'another url than the batch’s endpoint',
    chatLine('a', 'x', { url: '/responses', body: { model: 'gpt-4o-batch', input: 'x' } }),
    'url_mismatch',
    1,
    'url',
  ],
  ['nothing', '', 'empty_file', null, null],
  ['blank lines', '\n \r\n\n', 'empty_file', null, null],
  ['a byte order mark', `\ufeff${good('a')}`, 'invalid_request', null, null],
  [
    'a deployment that is not there',
    chatLine('a', 'x', body({ model: 'nobody' })),
    'model_not_found',
    1,
    'body.model',
  ],
  ['too many requests', ['a', 'b', 'c', 'd'].map(good).join('\n'), 'too_many_tasks', null, null],
];

describe('validation', () => {
  let emulator: Emulator;
  let caller: Caller;
  beforeAll(async () => {
    emulator = await startEmulator({
      speed: 1_000_000,
      deployments: ['gpt-4o-batch', 'gpt-4o'],
      switches: { maxRequestsPerFile: 3 },
    });
    caller = callerOf(`${emulator.url}/openai`, emulator.key);
  });
  afterAll(() => emulator.close());

  test.each(CASES)('%s', async (_name, content, code, line, param) => {
    const batch = await caller.reach(await caller.submit(content), 'failed');
    const { object, data } = batch.errors as { object: string; data: unknown[] };
    expect(object).toBe('list');
    expect(data[0]).toEqual({ code, message: expect.any(String), line, param });
    // As recorded: completed_at set, failed_at null, both files named, counts contradict.
    expect(batch).toMatchObject({ failed_at: null, completed_at: expect.any(Number) });
    expect(await caller.lines(batch.error_file_id)).toEqual([]);
  });

  test('what is odd but good passes', async () => {
    const content = `${chatLine('a\u2028b', 'x\u0085y', { url: '/v1/chat/completions' })}\r\n\n${good('c')}\n\n`;
    const batch = await caller.reach(await caller.submit(content), 'completed', 'failed');
    expect(batch.errors).toBeNull();
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    const lines = await caller.lines(batch.output_file_id);
    expect(lines.map((line) => line.custom_id).sort()).toEqual(['a\u2028b', 'c']);
  });

  test('lines cut at any block edge are read whole', async () => {
    // Two- and three-byte characters, and lines longer than a block of the reader.
    const long = (id: string, size: number) => chatLine(id, 'ä漢'.repeat(size));
    const content = [long('a', 30_000), good('b'), long('c', 70_001)].join('\n');
    const batch = await caller.reach(await caller.submit(content), 'completed', 'failed');
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
  });

  test('what is beyond the most requests is only counted, whatever it is', async () => {
    const bad = Array.from({ length: 5000 }, () => '{"not": "a request"}\n\n').join('');
    const content = `{broken\n${good('a')}\n${bad}`;
    const batch = await caller.reach(await caller.submit(content), 'failed');
    const { data } = batch.errors as { data: { code: string }[] };
    expect(data.map(({ code }) => code)).toEqual([
      'too_many_tasks',
      'invalid_json_line',
      'invalid_request',
    ]);
    expect(batch.request_counts).toMatchObject({ total: 5002 });
  });

  test('another window than 24h fails the batch', async () => {
    const id = await caller.submit(good('a'), { completion_window: '1h' });
    const batch = await caller.reach(id, 'failed');
    expect(batch.errors).toMatchObject({ data: [{ code: 'invalid_request' }] });
  });

  test('an error of one request is a line, not a failed batch', async () => {
    const empty = chatLine('n', 'x', body({ messages: [{ role: 'user', content: null }] }));
    const batch = await caller.reach(await caller.submit(`${good('a')}\n${empty}`), 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const [line] = await caller.lines(batch.error_file_id);
    expect(line).toMatchObject({ custom_id: 'n', response: { status_code: 400 } });
  });
});

describe('validation by the other profile', () => {
  test('openai names what is missing, and refuses or fails elsewhere', async () => {
    await using emulator = await startEmulator({ profile: 'openai', speed: 1_000_000 });
    const caller = callerOf(`${emulator.url}/v1`, emulator.key, '');
    const bad = chatLine('a', 'x', { url: '/v1/chat/completions', body: { model: 'gpt-4o' } });
    const failed = await caller.reach(
      await caller.submit(bad, { endpoint: '/v1/chat/completions' }),
      'failed',
    );
    expect(failed).toMatchObject({
      completed_at: null,
      failed_at: expect.any(Number),
      output_file_id: null,
      error_file_id: null,
      request_counts: { total: 0, completed: 0, failed: 0 },
      errors: {
        data: [
          {
            code: 'missing_required_parameter',
            line: 1,
            message: "Missing required parameter: 'messages'.",
            param: 'body.messages',
          },
        ],
      },
    });
    const window = { input_file_id: 'x', endpoint: '/v1/responses', completion_window: '1h' };
    expect((await caller.call('POST', '/batches', window)).status).toBe(400);
    const unknown = await caller.call('POST', '/batches', { ...window, completion_window: '24h' });
    expect(unknown.status).toBe(200);
    const lost = await caller.reach(String(unknown.json.id), 'failed');
    expect(lost.errors).toMatchObject({ data: [{ message: 'Cannot find file x.' }] });
  });
});
