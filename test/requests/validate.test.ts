import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { endpointOfUrl } from '../../src/requests/endpoint.ts';
import { validateRequestBody } from '../../src/requests/validate-body.ts';
import { validateRequestFile } from '../../src/requests/validate-file.ts';
import { all } from './helpers.ts';

const user = { role: 'user', content: 'x' };

test.each([
  ['/chat/completions', { model: 'm', messages: [user] }, null],
  ['/chat/completions', { model: 'm', messages: [{ role: 'assistant', tool_calls: [{}] }] }, null],
  [
    '/chat/completions',
    { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] },
    null,
  ],
  ['/chat/completions', { model: 'm', messages: [] }, 'body.messages'],
  ['/chat/completions', { model: 'm', messages: [user, 'x'] }, 'body.messages[1]'],
  ['/chat/completions', { model: 'm', messages: [{ role: 'user' }] }, 'body.messages[0].content'],
  [
    '/chat/completions',
    { model: 'm', messages: [{ role: 'user', content: [{}] }] },
    'body.messages[0].content[0].type',
  ],
  ['/chat/completions', { messages: [user] }, 'body.model'],
  ['/chat/completions', { model: 'm', messages: [user], metadata: { a: 1 } }, 'body.metadata'],
  ['/chat/completions', { model: 'm', messages: [user], stream: true }, 'body.stream'],
  [
    '/chat/completions',
    { model: 'm', messages: [user], tools: new Array(129).fill({}) },
    'body.tools',
  ],
  ['/chat/completions', null, 'body'],
  ['/responses', { model: 'm', input: 'x' }, null],
  ['/responses', { model: 'm', input: [user] }, null],
  ['/responses', { model: 'm', prompt: { id: 'p' } }, null],
  ['/responses', { model: 'm', input: [] }, 'body.input'],
  ['/embeddings', { model: 'm', input: ['a', [1, 2]] }, null],
  ['/embeddings', { model: 'm', input: '' }, 'body.input'],
  ['/embeddings', { model: 'm', input: ['a', ''] }, 'body.input[1]'],
  ['/embeddings', { model: 'm', input: Array(2049).fill('a') }, 'body.input'],
  ['/embeddings', { model: 'm', input: Array(2049).fill(7) }, null],
  ['/completions', { model: 'm', prompt: 'x' }, null],
  ['/completions', { model: 'm', prompt: ['x', [1]] }, null],
  ['/completions', { model: 'm' }, 'body.prompt'],
] as const)('%s %j: %s', (endpoint, body, param) => {
  expect(validateRequestBody(endpoint, body)?.param ?? null).toBe(param);
});

test.each([
  ['/chat/completions', '/chat/completions'],
  ['/v1/responses', '/responses'],
  ['https://x.test/openai/v1/embeddings/?a=b', '/embeddings'],
  ['/v1/completions', '/completions'],
  ['/v1/moderations', undefined],
  ['/v2/chat/completions', undefined],
  [null, undefined],
])('the endpoint of the url %s', (url, endpoint) => {
  expect(endpointOfUrl(url)).toBe(endpoint);
});

async function findings(text: string | Buffer, limits = { maxRequests: 100, maxBytes: 1e6 }) {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-validate-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'requests.jsonl');
  await writeFile(path, text);
  const found = await all(validateRequestFile(path, limits));
  return found.map(({ line, code, param }) => [line, code, param]);
}

function line(id: string, more: object = {}): string {
  const body = { model: 'm', messages: [user] };
  return JSON.stringify({ custom_id: id, method: 'POST', url: '/chat/completions', body, ...more });
}

test('a good file has nothing, blank lines at its end and a missing last newline included', async () => {
  const v1 = { url: '/v1/chat/completions' };
  expect(await findings(`${line('a')}\r\n${line('b', v1)}\n\n\n`)).toEqual([]);
  expect(await findings(`${line('a')}\n${line('\u2028')}`)).toEqual([]);
});

test('each line is told by the code of the service', async () => {
  const lines = [
    line('a'),
    line('a'),
    '{"custom_id":',
    '[]',
    '',
    line('b', { url: '/responses', body: { model: 'm', input: 'x' } }),
    line('c', { body: { model: 'n', messages: [user] } }),
    line('d', { body: { model: 'm', messages: [] } }),
    line('', { method: 'GET' }),
    line('e', { url: '/nowhere' }),
  ];
  expect(await findings(lines.join('\n'))).toEqual([
    [2, 'duplicate_custom_id', 'custom_id'],
    [3, 'invalid_json_line', null],
    [4, 'invalid_json_line', null],
    [5, 'invalid_json_line', null],
    [6, 'url_mismatch', 'url'],
    [7, 'model_mismatch', 'body.model'],
    [8, 'invalid_request', 'body.messages'],
    [9, 'invalid_request', 'custom_id'],
    [9, 'invalid_request', 'method'],
    [10, 'invalid_request', 'url'],
  ]);
});

test('the file as a whole: a mark at its start, nothing in it, too much in it', async () => {
  expect(await findings(`\ufeff${line('a')}\n`)).toEqual([[1, 'model_not_found', null]]);
  expect(await findings('')).toEqual([[null, 'empty_file', null]]);
  expect(await findings('\n')).toEqual([[null, 'empty_file', null]]);
  const many = [line('a'), line('b'), line('c')].join('\n');
  expect(await findings(many, { maxRequests: 2, maxBytes: 10 })).toEqual([
    [null, 'file_too_large', null],
    [null, 'too_many_tasks', null],
  ]);
});
