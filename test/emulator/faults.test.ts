import { afterEach, describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../src/emulator/http/errors.ts';
import {
  type Emulator,
  type EmulatorOptions,
  type FaultRule,
  parseFaultScript,
  startEmulator,
} from '../../src/emulator/index.ts';
import { type Caller, callerOf, chatLine } from './help.ts';

const lines = (count: number) =>
  Array.from({ length: count }, (_none, index) => chatLine(`r-${index}`, 'Hello')).join('\n');

let open: Emulator | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function start(rules: readonly FaultRule[], over: EmulatorOptions = {}): Promise<Caller> {
  open = await startEmulator({ speed: 1_000_000, faults: { rules }, ...over });
  return callerOf(`${open.url}/openai`, open.key);
}

describe('faults of calls', () => {
  test('by number, by count, after some, and by probability from the seed', async () => {
    const statuses = async (rule: Partial<FaultRule>) => {
      const caller = await start([
        { on: 'files.list', do: 'answer', status: 503, ...rule } as FaultRule,
      ]);
      const seen = [];
      for (let call = 0; call < 8; call += 1) {
        seen.push((await caller.call('GET', '/files')).status === 503 ? 1 : 0);
      }
      await open?.close();
      return seen.join('');
    };
    expect(await statuses({ nth: [2, 5] })).toBe('01001000');
    expect(await statuses({ count: 3 })).toBe('11100000');
    expect(await statuses({ after: 2, count: 2 })).toBe('00110000');
    const drawn = await statuses({ probability: 0.5 });
    expect(drawn).toMatch(/0.*1|1.*0/);
    expect(await statuses({ probability: 0.5 })).toBe(drawn);
  });

  test('retry-after in its three forms, x-should-retry, other headers and bodies', async () => {
    const caller = await start([
      { on: '*', nth: 1, do: 'answer', status: 429, retryAfterMs: 250, shouldRetry: true },
      { on: '*', nth: 2, do: 'answer', status: 429, retryAfterSeconds: 90 },
      { on: '*', nth: 3, do: 'answer', status: 429, retryAfterDateSeconds: 30 },
      { on: '*', nth: 4, do: 'answer', status: 418, headers: { 'x-a': 'b' }, body: { tea: 1 } },
      { on: ['files.get', 'files.list'], nth: 5, do: 'refuse', error: 'forbidden' },
    ]);
    const ask = () => caller.call('GET', '/files');
    const first = await ask();
    expect(first.headers.get('retry-after-ms')).toBe('250');
    expect(first.headers.get('x-should-retry')).toBe('true');
    expect((await ask()).headers.get('retry-after')).toBe('90');
    const at = Date.parse((await ask()).headers.get('retry-after') ?? '');
    expect(at - Date.now()).toBeGreaterThan(20 * 1000);
    const tea = await ask();
    expect([tea.status, tea.headers.get('x-a'), tea.json]).toEqual([418, 'b', { tea: 1 }]);
    expect((await ask()).status).toBe(403);
    expect(open?.faultHits()).toEqual([1, 1, 1, 1, 1]);
    expect(open?.accessLog().map((entry) => [entry.status, entry.faults])).toEqual([
      [429, ['answer']],
      [429, ['answer']],
      [429, ['answer']],
      [418, ['answer']],
      [403, ['refuse']],
    ]);
  });

  test('a cut before it is done, and one after: only the second has made a batch', async () => {
    const caller = await start([
      { on: 'batches.create', nth: 1, do: 'cut-before' },
      { on: 'batches.create', nth: 2, do: 'cut-after' },
    ]);
    await expect(caller.submit(lines(1))).rejects.toThrow();
    expect((await caller.call('GET', '/batches')).json.data).toHaveLength(0);
    await expect(caller.submit(lines(1))).rejects.toThrow();
    expect((await caller.call('GET', '/batches')).json.data).toHaveLength(1);
    const creates = open?.accessLog().filter((entry) => entry.call === 'batches.create');
    expect(creates?.map((entry) => [entry.status, entry.id === null])).toEqual([
      [0, true],
      [0, false],
    ]);
  });

  test('no answer at all, until the caller gives up; closing does not wait for it', async () => {
    await start([
      { on: 'files.list', nth: 1, do: 'hang' },
      { on: 'files.list', nth: 2, do: 'hang', done: true },
    ]);
    const ask = () =>
      fetch(`${open?.url}/openai/v1/files`, {
        headers: { 'api-key': open?.key ?? '' },
        signal: AbortSignal.timeout(100),
      });
    await expect(ask()).rejects.toThrow();
    await expect(ask()).rejects.toThrow();
    expect(
      (await fetch(`${open?.url}/v1/files`, { headers: { 'api-key': open?.key ?? '' } })).status,
    ).toBe(200);
  });

  test('answers that are no JSON, and slow ones', async () => {
    const caller = await start([
      { on: 'files.list', nth: 1, do: 'bad-json' },
      { on: 'files.list', nth: 2, do: 'delay', ms: 60 },
    ]);
    const cut = await caller.call('GET', '/files');
    expect(cut.status).toBe(200);
    expect(() => JSON.parse(cut.text)).toThrow();
    const before = performance.now();
    await caller.call('GET', '/files');
    expect(performance.now() - before).toBeGreaterThan(50);
  });

  test('an upload that is refused, or cut, in the middle of its body', async () => {
    const caller = await start([
      { on: 'files.upload', nth: 1, do: 'answer', status: 401, afterBytes: 900_000 },
      { on: 'files.upload', nth: 2, do: 'cut-before', afterBytes: 500_000 },
    ]);
    const big = 'x'.repeat(1_000_000);
    expect((await caller.upload(big)).status).toBe(401);
    await expect(caller.upload(big)).rejects.toThrow();
    expect((await caller.call('GET', '/files')).json.data).toEqual([]);
    expect((await caller.upload(big)).status).toBe(201);
  });

  test('a small upload that is cut is not taken either, and the log says so', async () => {
    const caller = await start([
      { on: 'files.upload', nth: 1, do: 'cut-before', afterBytes: 10 },
      { on: 'files.upload', nth: 2, do: 'cut-before' },
    ]);
    await expect(caller.upload('x'.repeat(1000))).rejects.toThrow();
    await expect(caller.upload('x'.repeat(1000))).rejects.toThrow();
    expect((await caller.call('GET', '/files')).json.data).toEqual([]);
    // The end of a cut call is seen after its caller has seen the cut.
    const entries = () => open?.accessLog().filter(({ call }) => call === 'files.upload');
    await expect
      .poll(() => entries()?.map(({ status, id }) => [status, id]))
      .toEqual([
        [0, null],
        [0, null],
      ]);
  });

  test('every refusal of the catalogue is a whole sentence', async () => {
    for (const error of Object.keys(CATALOGUE) as (keyof typeof CATALOGUE)[]) {
      const caller = await start([{ on: '*', do: 'refuse', error }]);
      const { status, text } = await caller.call('GET', '/batches/batch_1');
      expect([status, text]).toEqual([
        CATALOGUE[error].status,
        expect.not.stringMatching(/[{]\w+}/),
      ]);
      await open?.close();
    }
    const full = await start([{ on: 'files.upload', do: 'refuse', error: 'fileQuota' }]);
    expect((await full.upload('x')).text).toContain('The maximum is 500.');
  });

  test('content that is cut, ends early, or is slow', async () => {
    const caller = await start([
      { on: 'files.content', nth: 1, do: 'cut-body', afterBytes: 300 },
      { on: 'files.content', nth: 2, do: 'short-body', bytes: 300 },
      { on: 'files.content', nth: 3, do: 'slow-body', bytesPerSecond: 5000 },
    ]);
    const text = 'y'.repeat(1000);
    const { id } = (await caller.upload(text)).json;
    const read = () => caller.call('GET', `/files/${id}/content`);
    await expect(read()).rejects.toThrow();
    const short = await read();
    expect([short.text.length, short.headers.get('content-length')]).toEqual([300, null]);
    const before = performance.now();
    expect((await read()).text).toBe(text);
    expect(performance.now() - before).toBeGreaterThan(90);
    expect((await read()).text).toBe(text);
  });
});

describe('faults of files and batches', () => {
  test('a file that stays pending, one that is broken, one that lists hide', async () => {
    const caller = await start([
      { on: 'file', nth: 1, do: 'pending', seconds: 1e9 },
      { on: 'file', nth: 2, do: 'error' },
      { on: 'file', nth: 3, do: 'hide', ms: 1e9 },
    ]);
    const ids = [];
    for (let file = 0; file < 3; file += 1) ids.push((await caller.upload('x')).json.id);
    const status = async (id: unknown) => (await caller.call('GET', `/files/${id}`)).json.status;
    expect(await status(ids[0])).toBe('pending');
    expect(await status(ids[1])).toBe('error');
    const create = { endpoint: '/chat/completions', completion_window: '24h' };
    const refused = await caller.call('POST', '/batches', { ...create, input_file_id: ids[1] });
    expect(refused.text).toContain("in 'error' state");
    const listed = (await caller.call('GET', '/files')).json.data as { id: string }[];
    expect(listed.map((file) => file.id).sort()).toEqual(ids.slice(0, 2).sort());
    expect((await caller.call('GET', `/files/${ids[2]}`)).status).toBe(200);
  });

  test('ends that nobody asked for', async () => {
    const caller = await start([
      { on: 'batch', nth: 1, do: 'fail', code: 'input_modified', share: 0.5 },
      { on: 'batch', nth: 2, do: 'expire', share: 0.25 },
      { on: 'batch', nth: 3, do: 'cancel', share: 0.75 },
      { on: 'batch', nth: 4, do: 'fail', code: 'billing_hard_limit_reached' },
      { on: 'batch', nth: 5, do: 'stall', share: 0 },
      { on: 'batch', nth: 6, do: 'no-file', which: 'output' },
      { on: 'batch', nth: 7, do: 'lost-content' },
      { on: 'batch', nth: 8, do: 'hide', ms: 1e9 },
    ]);
    const run = async (...states: string[]) =>
      caller.reach(await caller.submit(lines(8)), ...states);
    const answered = async (batch: Record<string, unknown>) =>
      (await caller.lines(batch.output_file_id)).length;
    const failed = await run('failed');
    expect(failed.errors).toMatchObject({ data: [{ code: 'input_modified' }] });
    expect(await answered(failed)).toBe(4);
    const expired = await run('expired');
    expect(await answered(expired)).toBe(2);
    expect(await caller.lines(expired.error_file_id)).toHaveLength(6);
    expect(await answered(await run('cancelled'))).toBe(6);
    const early = await run('failed');
    expect(early.errors).toMatchObject({ data: [{ code: 'billing_hard_limit_reached' }] });
    const stalled = await run('in_progress');
    await caller.call('POST', `/batches/${stalled.id}/cancel`);
    await caller.reach(String(stalled.id), 'cancelled');
    expect((await run('completed')).output_file_id).toBeNull();
    const lost = await run('completed');
    expect((await caller.call('GET', `/files/${lost.output_file_id}/content`)).status).toBe(404);
    const hidden = await run('completed');
    const { data } = (await caller.call('GET', '/batches')).json as { data: { id: string }[] };
    expect(data.map((batch) => batch.id)).not.toContain(hidden.id);
    expect(data).toHaveLength(7);
  });

  test('token limits both ways, whatever the profile does by itself', async () => {
    const caller = await start([
      { on: 'batch', nth: 1, do: 'token-limit', how: 'refuse' },
      { on: 'batch', nth: 2, do: 'token-limit', how: 'fail' },
    ]);
    await expect(caller.submit(lines(1))).rejects.toThrow('400');
    const batch = await caller.reach(await caller.submit(lines(1)), 'failed');
    expect(batch.errors).toMatchObject({ data: [{ code: 'token_limit_exceeded' }] });
    await caller.reach(await caller.submit(lines(1)), 'completed');
  });

  test('batches of others are in the list and take quota until they end', async () => {
    const caller = await start([], {
      speed: 3000,
      enqueuedTokens: 100,
      faults: { foreign: [{ batches: 25, deployment: 'gpt-4o-batch', tokens: 4 }] },
    });
    const page = (await caller.call('GET', '/batches')).json;
    expect([(page.data as unknown[]).length, page.has_more]).toEqual([20, true]);
    await caller.reach(await caller.submit(lines(1)), 'failed');
  });
});

describe('faults of lines', () => {
  const run = async (rules: readonly FaultRule[], over: EmulatorOptions = {}) => {
    const caller = await start(rules, over);
    const batch = await caller.reach(await caller.submit(lines(6)), 'completed');
    const text = async (id: unknown) =>
      typeof id === 'string' ? (await caller.call('GET', `/files/${id}/content`)).text : '';
    return {
      batch,
      output: await text(batch.output_file_id),
      error: await text(batch.error_file_id),
    };
  };
  const idsOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)
      .sort();

  test('statuses go where the profile or the rule puts them', async () => {
    const { batch, output, error } = await run([
      { on: 'line', nth: 1, do: 'status', status: 429 },
      { on: 'line', nth: 2, do: 'status', status: 500, into: 'output' },
      { on: 'line', nth: 3, do: 'status', status: 0 },
      { on: 'line', nth: 4, do: 'content-filter' },
    ]);
    expect(idsOf(error)).toEqual(['r-0', 'r-3']);
    expect(idsOf(output)).toEqual(['r-1', 'r-2', 'r-4', 'r-5']);
    expect(batch.request_counts).toEqual({ total: 6, completed: 4, failed: 2 });
    expect(error).toContain('"code":"content_filter"');
    expect(error).toContain('ResponsibleAIPolicyViolation');
    expect(output).toContain('"status_code":0');
  });

  test('openai puts a 500 into the output file by itself', async () => {
    const { output } = await run([{ on: 'line', nth: 1, do: 'status', status: 500 }], {
      profile: 'openai',
    });
    expect(output).toContain('"status_code":500');
    expect(idsOf(output)).toHaveLength(6);
  });

  test('missing, doubled, in both files, unknown, and raw separators', async () => {
    const { output, error } = await run([
      { on: 'line', customIds: ['r-0'], do: 'missing' },
      { on: 'line', nth: 2, do: 'duplicate' },
      { on: 'line', nth: 3, do: 'duplicate', into: 'both' },
      { on: 'line', nth: 4, do: 'unknown-id' },
      { on: 'line', nth: 5, do: 'raw-separators' },
    ]);
    expect(idsOf(output)).toEqual(['r-1', 'r-1', 'r-2', 'r-3', 'r-4', 'r-5', 'unknown-r-3']);
    expect(idsOf(error)).toEqual(['r-2']);
    expect(output).toContain('"content":"\u2028\u2029\u0085');
  });

  test('the file as a whole: mark, blank line, no last newline', async () => {
    const { output } = await run([
      { on: 'output', do: 'bom' },
      { on: 'output', do: 'blank-line' },
    ]);
    // fetch takes the mark away when it decodes.
    expect(output.endsWith('}\n\n')).toBe(true);
    const other = await run([{ on: 'output', do: 'no-final-newline' }]);
    expect(other.output.endsWith('}')).toBe(true);
    expect(idsOf(other.output)).toHaveLength(6);
  });

  test('by probability, and only in the first batch, so that a second try succeeds', async () => {
    const rule: FaultRule = {
      on: 'line',
      batch: 1,
      probability: 0.5,
      do: 'status',
      status: 429,
    };
    const caller = await start([rule]);
    const counts = async () =>
      (await caller.reach(await caller.submit(lines(100)), 'completed')).request_counts as {
        failed: number;
      };
    const { failed } = await counts();
    expect(failed).toBeGreaterThan(25);
    expect(failed).toBeLessThan(75);
    expect((await counts()).failed).toBe(0);
  });
});

test('a count is of those that the rule names', async () => {
  const caller = await start([
    { on: 'batch', nth: [2, 3], count: 1, do: 'fail', code: 'input_modified' },
    { on: 'line', customIds: ['r-4', 'r-5'], count: 1, do: 'missing' },
    { on: 'line', after: 2, count: 1, batch: 1, do: 'content-filter' },
  ]);
  const ends: unknown[] = [];
  for (let made = 0; made < 3; made += 1) {
    const batch = await caller.reach(await caller.submit(lines(6)), 'completed', 'failed');
    const ids = (await caller.lines(batch.output_file_id)).map(({ custom_id: id }) => String(id));
    ends.push([batch.status, ...ids.sort()]);
  }
  expect(ends).toEqual([
    ['completed', 'r-0', 'r-1', 'r-3', 'r-5'],
    ['failed'],
    ['completed', 'r-0', 'r-1', 'r-2', 'r-3', 'r-5'],
  ]);
  expect(open?.faultHits()).toEqual([1, 2, 1]);
});

describe('scripts', () => {
  test.each([
    [[], 'must be an object'],
    [{ rule: [] }, 'has no rule'],
    [{ rules: [{ on: 'files.upload', do: 'dance' }] }, 'rule 1: "do" on call must be one of'],
    [{ rules: [{ on: 'moon', do: 'answer' }] }, 'rule 1: "on" must be one of'],
    [{ rules: [{ on: '*', do: 'answer' }] }, 'rule 1: "status" is missing'],
    [{ rules: [{ on: '*', do: 'delay', ms: '3' }] }, 'rule 1: "ms" must be a number'],
    [{ rules: [{ on: '*', do: 'delay', ms: 3, s: 3 }] }, 'rule 1: there is no "s" here'],
    [{ rules: [{ on: '*', do: 'refuse', error: 'odd' }] }, 'rule 1: "error" must be one of'],
    [{ foreign: [{ batches: 3 }] }, 'foreign 1: "deployment" is missing'],
    [{ rules: [{ on: '*', do: 'answer', status: 999 }] }, '"status" must be an HTTP status'],
    [{ rules: [{ on: '*', do: 'cut-after', nth: '3' }] }, '"nth" must be a whole number above 0'],
    [{ rules: [{ on: '*', do: 'cut-after', probability: 5 }] }, '"probability" must be a number'],
    [{ rules: [{ on: '*', do: 'cut-after', batch: 2 }] }, 'there is no "batch" here'],
    [{ rules: [{ on: '*', do: 'toString' }] }, '"do" on call must be one of'],
    [{ rules: [{ on: 'line', do: 'missing', customIds: 'a' }] }, 'must be a list of strings'],
    [{ rules: [{ on: 'line', do: 'status', status: 500, into: 'outputs' }] }, 'output, error'],
    [{ rules: [{ on: 'batch', do: 'no-file', which: 'all' }] }, 'one of output, error, both'],
  ])('%j is refused', (script, message) => {
    expect(() => parseFaultScript(script)).toThrow(message);
  });

  test('the control calls are there only when they were asked for', async () => {
    const plain = await start([]);
    expect((await plain.call('GET', '/emulator/faults')).status).toBe(404);
    await open?.close();
    open = await startEmulator({ control: true });
    const control = callerOf(open.url, open.key, '');
    const rules = [{ on: 'files.list', do: 'answer', status: 500 }];
    expect((await control.call('POST', '/emulator/faults', { rules })).json).toEqual({ rules: 1 });
    const caller = callerOf(`${open.url}/openai`, open.key);
    expect((await caller.call('GET', '/files')).status).toBe(500);
    expect((await control.call('GET', '/emulator/faults')).json).toEqual({ hits: [1] });
    await control.call('DELETE', '/emulator/faults');
    expect((await caller.call('GET', '/files')).status).toBe(200);
    const bad = await control.call('POST', '/emulator/faults', { rules: [{ on: 'x' }] });
    expect([bad.status, bad.text]).toEqual([400, expect.stringContaining('rule 1')]);
    await control.call('POST', '/emulator/quota', { enqueuedTokens: 1 });
    const stranger = callerOf(open.url, 'wrong', '');
    expect((await stranger.call('GET', '/emulator/faults')).status).toBe(401);
  });
});
