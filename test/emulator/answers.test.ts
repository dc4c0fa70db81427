import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { loadEncoding } from '../../src/emulator/answers/encodings.ts';
import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/index.ts';
import { type Caller, callerOf, chatLine, pause } from './help.ts';

type Json = Record<string, unknown>;

let open: Emulator | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function start(options: EmulatorOptions = {}): Promise<Caller> {
  open = await startEmulator({ speed: 1_000_000, ...options });
  return callerOf(`${open.url}/openai/v1`, open.key, '');
}

/** The bodies that come back for request bodies, by custom_id. */
async function ask(
  caller: Caller,
  bodies: Readonly<Record<string, Json>>,
  url = '/chat/completions',
): Promise<Record<string, Json>> {
  const content = Object.entries(bodies)
    .map(([id, body]) => chatLine(id, '', { url, body: { model: 'gpt-4o-batch', ...body } }))
    .join('\n');
  const batch = await caller.reach(
    await caller.submit(content, { endpoint: url }),
    'completed',
    'failed',
  );
  const lines = await caller.lines(batch.output_file_id);
  return Object.fromEntries(
    lines.map((line) => [String(line.custom_id), (line.response as { body: Json }).body]),
  );
}

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });
const contentOf = (body: Json | undefined) => {
  const { choices } = body as {
    choices: { message: { content: string }; finish_reason: string }[];
  };
  return choices[0];
};

describe('the deterministic model', () => {
  test('the same request, the same answer; another request, another one', async () => {
    const bodies = { a: user('one'), b: user('one'), c: user('two') };
    const first = await ask(await start(), bodies);
    await open?.close();
    const second = await ask(await start(), bodies);
    const text = (body: Json | undefined) => contentOf(body)?.message.content;
    expect(text(first.a)).toBe(text(first.b));
    expect(text(first.a)).toBe(text(second.a));
    expect(text(first.a)).not.toBe(text(first.c));
  });

  test('usage is what the texts count, and limits are kept', async () => {
    const count = await loadEncoding('gpt-4o');
    const bodies = {
      plain: user('Tell me.'),
      cut: { ...user('Tell me.'), max_tokens: 3 },
      many: { ...user('Tell me.'), n: 3 },
      parts: user([{ type: 'text', text: 'Look' }]),
    };
    const answers = await ask(await start(), bodies);
    for (const body of Object.values(answers)) {
      const { choices, usage } = body as unknown as {
        choices: { message: { content: string } }[];
        usage: { completion_tokens: number; prompt_tokens: number; total_tokens: number };
      };
      const spoken = choices.reduce((sum, choice) => sum + count(choice.message.content), 0);
      expect(usage.completion_tokens).toBe(spoken);
      expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    }
    expect(contentOf(answers.cut)?.finish_reason).toBe('length');
    expect(answers.many?.choices).toHaveLength(3);
  });

  test('a schema is satisfied, a forced tool is called', async () => {
    const schema = {
      type: 'object',
      properties: { label: { enum: ['good', 'bad'] }, score: { type: 'integer', minimum: 1 } },
      required: ['label', 'score'],
      additionalProperties: false,
    };
    const json_schema = { name: 'review', strict: true, schema };
    const tools = [{ type: 'function', function: { name: 'rate', parameters: schema } }];
    const answers = await ask(await start(), {
      schema: { ...user('x'), response_format: { type: 'json_schema', json_schema } },
      object: { ...user('x'), response_format: { type: 'json_object' } },
      tool: { ...user('x'), tools, tool_choice: 'required' },
    });
    const parsed = JSON.parse(contentOf(answers.schema)?.message.content ?? '') as Json;
    expect(Object.keys(parsed).sort()).toEqual(['label', 'score']);
    expect(['good', 'bad']).toContain(parsed.label);
    expect(JSON.parse(contentOf(answers.object)?.message.content ?? '')).toBeTypeOf('object');
    expect(answers.tool).toMatchObject({
      choices: [
        { finish_reason: 'tool_calls', message: { tool_calls: [{ function: { name: 'rate' } }] } },
      ],
    });
  });

  test('Azure’s bodies have filter results and the model’s version; OpenAI’s have neither', async () => {
    const azure = await ask(await start(), { a: user('x') });
    expect(azure.a).toMatchObject({
      model: 'gpt-4o-2024-08-06',
      prompt_filter_results: [{ prompt_index: 0 }],
      choices: [{ content_filter_results: { hate: { filtered: false, severity: 'safe' } } }],
    });
    await open?.close();
    const openai = await ask(await start({ profile: 'openai' }), { a: user('x') });
    expect(openai.a?.model).toBe('gpt-4o-batch');
    expect(openai.a).not.toHaveProperty('prompt_filter_results');
  });

  test('Responses: float time, the deployment’s name, output and usage', async () => {
    const schema = { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'] };
    const answers = await ask(
      await start(),
      {
        text: { input: 'When was Microsoft founded?', instructions: 'Be brief.' },
        list: { input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }] },
        json: { input: 'x', text: { format: { type: 'json_schema', name: 'a', schema } } },
      },
      '/v1/responses',
    );
    expect(answers.text).toMatchObject({
      object: 'response',
      model: 'gpt-4o-batch',
      status: 'completed',
      content_filters: null,
      output: [{ type: 'message', content: [{ type: 'output_text', text: expect.any(String) }] }],
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
    expect(Number.isInteger(answers.text?.created_at)).toBe(false);
    const { output } = answers.json as { output: { content: { text: string }[] }[] };
    expect(JSON.parse(output[0]?.content[0]?.text ?? '')).toHaveProperty('a');
  });

  test('embeddings of the right size, in both encodings', async () => {
    const model = 'text-embedding-3-large';
    const answers = await ask(
      await start({ profile: 'azure-v1' }),
      {
        one: { model, input: 'Hello' },
        two: { model, input: ['Hello', 'World'], dimensions: 256 },
        base: { model, input: [1, 2, 3], encoding_format: 'base64', dimensions: 8 },
      },
      '/v1/embeddings',
    );
    const data = (body: Json | undefined) => body?.data as { embedding: number[] | string }[];
    expect(data(answers.one)[0]?.embedding).toHaveLength(3072);
    expect(data(answers.two).map(({ embedding }) => embedding.length)).toEqual([256, 256]);
    const norm = Math.hypot(...(data(answers.two)[0]!.embedding as number[]));
    expect(norm).toBeCloseTo(1, 5);
    expect(Buffer.from(String(data(answers.base)[0]?.embedding), 'base64')).toHaveLength(8 * 4);
    expect(answers.base?.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
  });
});

describe('a function of the user', () => {
  test('answers with a text, with a body, with an error, or throws', async () => {
    const caller = await start({
      answer: async ({ custom_id, body, line }) => {
        await pause(1);
        if (custom_id === 'body') return { body: { said: body.model, line } };
        if (custom_id === 'busy') return { status_code: 429, body: { error: { code: 'busy' } } };
        if (custom_id === 'throws') throw new Error('no');
        return `You are ${custom_id}.`;
      },
    });
    const bodies = { text: user('a'), body: user('b'), busy: user('c'), throws: user('d') };
    const answers = await ask(caller, bodies);
    expect(Object.keys(answers).sort()).toEqual(['body', 'text']);
    expect(contentOf(answers.text)?.message.content).toBe('You are text.');
    expect(answers.body).toEqual({ said: 'gpt-4o-batch', line: 2 });
  });
});

describe('a function of the user that is odd', () => {
  test('makes lines with status 500 where its answers are none', async () => {
    const odd: Readonly<Record<string, unknown>> = {
      bodiless: { status_code: 200 },
      nothing: null,
      number: 42,
      whole: { id: 'chatcmpl-1', choices: [] },
    };
    const caller = await start({ answer: ({ custom_id: id }) => odd[id] as string });
    const content = Object.keys(odd).map((id) => chatLine(id, 'a'));
    const batch = await caller.reach(await caller.submit(content.join('\n')), 'completed');
    expect(batch.request_counts).toEqual({ total: 4, completed: 0, failed: 4 });
    const lines = await caller.lines(batch.error_file_id);
    expect(lines.map((line) => (line.response as Json).status_code)).toEqual([500, 500, 500, 500]);
  });

  test('and never comes back holds up neither cancel nor close', async () => {
    const never = Promise.withResolvers<string>().promise;
    const caller = await start({ answer: ({ line }) => (line === 2 ? never : 'yes') });
    const run = async () => {
      const id = await caller.submit([1, 2, 3].map((at) => chatLine(`r${at}`, 'a')).join('\n'));
      await caller.reach(id, 'in_progress');
      return id;
    };
    const id = await run();
    await caller.call('POST', `/batches/${id}/cancel`);
    await caller.reach(id, 'cancelled');
    await run();
    await open?.close();
  });
});

describe('requests that no model can answer', () => {
  test('hang nothing up and spoil no other line', async () => {
    const caller = await start();
    const format = (schema: unknown) => ({
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    });
    const answers = await ask(caller, {
      negative: { ...user('a'), max_tokens: -1, ...format({ type: 'object' }) },
      impossible: { ...user('b'), ...format({ enum: [] }) },
      plain: user('c'),
    });
    expect(Object.keys(answers).sort()).toEqual(['impossible', 'negative', 'plain']);
  });
});

describe('an upstream', () => {
  async function serve(
    handle: (body: Json, request: IncomingMessage, answer: ServerResponse) => void,
  ): Promise<AsyncDisposable & { url: string }> {
    const server = createServer((request, answer) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        handle(JSON.parse(Buffer.concat(chunks).toString()) as Json, request, answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}/v1`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  test('gets every request once, at most so many at a time, with its own key and model', async () => {
    let inside = 0;
    let most = 0;
    const seen: string[] = [];
    await using server = await serve((body, request, answer) => {
      inside += 1;
      most = Math.max(most, inside);
      seen.push(`${request.url} ${request.headers.authorization} ${body.model}`);
      setTimeout(() => {
        inside -= 1;
        answer.end(
          `{"choices":[{"message":{"content":"hi"}}],\n "usage":{"prompt_tokens":2,"completion_tokens":1}}`,
        );
      }, 3);
    });
    const caller = await start({
      profile: 'openai',
      upstream: server.url,
      upstreamKey: 'k',
      upstreamModel: 'llama',
      concurrency: 3,
    });
    const bodies = Object.fromEntries(
      Array.from({ length: 30 }, (_none, index) => [`r${index}`, user(`${index}`)]),
    );
    const answers = await ask(caller, bodies, '/v1/chat/completions');
    expect(Object.keys(answers)).toHaveLength(30);
    expect(seen).toEqual(Array(30).fill('/v1/chat/completions Bearer k llama'));
    expect(most).toBe(3);
    const { data } = (await caller.call('GET', '/batches')).json as { data: Json[] };
    expect(data[0]?.usage).toMatchObject({ input_tokens: 60, output_tokens: 30 });
  });

  test('is asked again after 429 and 503; what it refuses is a line of the error file', async () => {
    const tries = new Map<string, number>();
    await using server = await serve((body, _request, answer) => {
      const [message] = body.messages as { content: string }[];
      const id = message?.content ?? '';
      tries.set(id, (tries.get(id) ?? 0) + 1);
      const status = id === 'bad' ? 400 : tries.get(id) === 1 ? 429 : 200;
      answer.writeHead(status, { 'retry-after': '0' });
      answer.end(status === 200 ? '{"ok":true}' : '{"error":{"message":"no"}}');
    });
    const caller = await start({ upstream: server.url });
    const content = ['bad', 'good'].map((id) =>
      chatLine(id, '', { body: { model: 'm', ...user(id) } }),
    );
    const id = await caller.submit(content.join('\n'));
    const batch = await caller.reach(id, 'completed');
    expect(await caller.lines(batch.output_file_id)).toMatchObject([
      { custom_id: 'good', response: { status_code: 200, body: { ok: true } } },
    ]);
    expect(await caller.lines(batch.error_file_id)).toMatchObject([
      { custom_id: 'bad', response: { status_code: 400, body: { error: { message: 'no' } } } },
    ]);
    expect(tries).toEqual(
      new Map([
        ['bad', 1],
        ['good', 2],
      ]),
    );
  });

  test('a page where JSON should be is no answer', async () => {
    await using server = await serve((_body, _request, answer) => answer.end('<html>'));
    const caller = await start({ upstream: server.url });
    const batch = await caller.reach(await caller.submit(chatLine('a', 'b')), 'completed');
    expect(await caller.lines(batch.error_file_id)).toMatchObject([
      { custom_id: 'a', response: { status_code: 502, body: { error: { code: 'bad_json' } } } },
    ]);
  });

  test('closing does not wait for its answers', async () => {
    await using server = await serve(() => undefined);
    const caller = await start({ upstream: server.url });
    const id = await caller.submit(chatLine('a', 'b'));
    await caller.reach(id, 'in_progress');
    await pause(20);
    const before = performance.now();
    await open?.close();
    expect(performance.now() - before).toBeLessThan(2000);
  });
});
