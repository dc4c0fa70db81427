import { expect, test } from 'vitest';
import { type Caller, callerOf, chatLine } from './help.ts';

/** A service to put to the test: the emulator, or a real resource. */
export interface Subject {
  /** With its path: `https://NAME.openai.azure.com/openai`. */
  readonly base: string;
  readonly key: string;
  /** `?api-version=...`, or empty where there is none. */
  readonly query: string;
  /** Written as `model` into the lines. */
  readonly deployment: string;
  /** `/chat/completions` with or without `/v1`, as lines and creates name it. */
  readonly endpoint: string;
  /** Time between two looks at a batch or file, in ms. */
  readonly pollMs: number;
}

const STATUSES = [
  'validating',
  'in_progress',
  'inprogress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
];

/** What holds of every service of the specification, whatever its profile. */
export function conformance(start: () => Promise<Subject>): void {
  const check = (name: string, run: (caller: Caller, subject: Subject) => Promise<void>) => {
    test(name, { timeout: 24 * 60 * 60 * 1000 }, async () => {
      const subject = await start();
      await run(callerOf(subject.base, subject.key, subject.query, subject.pollMs), subject);
    });
  };
  const line = (subject: Subject, id: string, over: Record<string, unknown> = {}) =>
    chatLine(id, `Say the word ${id}.`, {
      url: subject.endpoint,
      body: { model: subject.deployment, messages: [{ role: 'user', content: `Say ${id}.` }] },
      ...over,
    });
  const create = (subject: Subject) => ({ endpoint: subject.endpoint });

  check('a file is uploaded, listed, shown, read and deleted', async (caller, subject) => {
    const content = `${line(subject, 'a')}\n`;
    const sent = await caller.upload(content);
    expect([200, 201]).toContain(sent.status);
    expect(sent.json).toMatchObject({
      object: 'file',
      bytes: Buffer.byteLength(content),
      filename: 'in.jsonl',
      purpose: 'batch',
    });
    expect(sent.json.created_at).toBeTypeOf('number');
    const id = String(sent.json.id);
    expect(id).toMatch(/^file-/);
    expect((await caller.call('GET', `/files/${id}`)).json.id).toBe(id);
    const list = (await caller.call('GET', '/files?purpose=batch')).json;
    expect((list.data as { id: string }[]).map((file) => file.id)).toContain(id);
    expect((await caller.call('GET', `/files/${id}/content`)).text).toBe(content);
    const gone = await caller.call('DELETE', `/files/${id}`);
    expect(gone).toMatchObject({ status: 200, json: { id, deleted: true, object: 'file' } });
    expect((await caller.call('GET', `/files/${id}`)).status).toBe(404);
  });

  check('a batch runs to its end and answers every request once', async (caller, subject) => {
    const ids = ['one', 'two', 'three', 'fö"ur\u2028', '5'];
    const content = ids.map((id) => line(subject, id)).join('\n');
    const id = await caller.submit(content, { ...create(subject), metadata: { run: 'x' } });
    const seen = (await caller.call('GET', `/batches/${id}`)).json;
    expect(seen).toMatchObject({ id, object: 'batch', completion_window: '24h' });
    expect(STATUSES).toContain(String(seen.status).toLowerCase());
    const batch = await caller.reach(id, 'completed');
    expect(batch.metadata).toEqual({ run: 'x' });
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    const lines = await caller.lines(batch.output_file_id);
    expect(lines.map((answer) => answer.custom_id).sort()).toEqual([...ids].sort());
    for (const answer of lines) {
      expect(answer.error).toBeNull();
      expect(answer.response).toMatchObject({
        status_code: 200,
        body: { object: 'chat.completion', choices: [{ index: 0, finish_reason: 'stop' }] },
      });
    }
    if (typeof batch.error_file_id === 'string' && batch.error_file_id !== '') {
      expect(await caller.lines(batch.error_file_id)).toEqual([]);
    }
  });

  check('a duplicate id fails the whole batch', async (caller, subject) => {
    const content = [line(subject, 'same'), line(subject, 'same')].join('\n');
    const batch = await caller.reach(await caller.submit(content, create(subject)), 'failed');
    const { data } = batch.errors as { data: { code: string }[] };
    expect(data[0]?.code).toBe('duplicate_custom_id');
  });

  check('a line that is no JSON fails the whole batch', async (caller, subject) => {
    const content = [line(subject, 'good'), '{"custom_id": "bad"'].join('\n');
    const batch = await caller.reach(await caller.submit(content, create(subject)), 'failed');
    const { data } = batch.errors as { data: { code: string }[] };
    expect(data[0]?.code).toBe('invalid_json_line');
  });

  check('a batch can be cancelled', async (caller, subject) => {
    const content = ['a', 'b', 'c'].map((id) => line(subject, id)).join('\n');
    const id = await caller.submit(content, create(subject));
    const answer = await caller.call('POST', `/batches/${id}/cancel`);
    expect(answer.status).toBeLessThan(300);
    expect(['cancelling', 'cancelled']).toContain(String(answer.json.status).toLowerCase());
    await caller.reach(id, 'cancelled', 'completed');
  });

  check('the list of batches is read page by page', async (caller, subject) => {
    const made = new Set<unknown>();
    for (let count = 0; count < 3; count += 1) {
      made.add(await caller.submit(`${line(subject, `p${count}`)}\n`, create(subject)));
    }
    const seen = new Set<unknown>();
    let after = '';
    for (let pages = 0; pages < 50; pages += 1) {
      const page = (await caller.call('GET', `/batches?limit=2${after}`)).json;
      const items = (page.data ?? page.value) as { id: string }[];
      for (const { id } of items) seen.add(id);
      if (page.has_more !== true || items.length === 0) break;
      expect(page.last_id).toBe(items.at(-1)?.id);
      after = `&after=${items.at(-1)?.id}`;
    }
    for (const id of made) expect(seen).toContain(id);
  });

  check(
    'what is not there is 404, what is wrong 400, who is unknown 401',
    async (caller, subject) => {
      expect((await caller.call('GET', '/files/file-nothing')).status).toBe(404);
      expect((await caller.call('GET', '/batches/batch_nothing')).status).toBe(404);
      expect((await caller.call('POST', '/batches', { endpoint: subject.endpoint })).status).toBe(
        400,
      );
      expect((await caller.upload('{}', { purpose: 'batch' }, 'in.txt')).status).toBe(400);
      expect((await caller.upload('{}', { purpose: 'nothing' })).status).toBe(400);
      const stranger = callerOf(subject.base, 'wrong', subject.query);
      const refusal = await stranger.call('GET', '/batches');
      expect(refusal.status).toBe(401);
      expect(refusal.json.error).toMatchObject({ message: expect.any(String) });
    },
  );
}
