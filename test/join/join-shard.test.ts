import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { AnswerReader } from '../../src/join/answer-reader.ts';
import { AT, expiredLine, failedLine, lines, NAME, okLine, plainRows, TestJob } from './helpers.ts';

const attempt = (code: string) => ({ batch: 'batch_1', code, at: AT });

const DESCRIPTORS = '/proc/self/fd';
const HISTORY = [{ batch: 'batch_0', code: 'http_500', at: '2026-11-21T00:00:00.000Z' }];

describe('joinShard', () => {
  test('joins shuffled answers to their records, in the order of the shard', async () => {
    using job = new TestJob();
    const rows = plainRows(5);
    job.seal(rows);
    const output = job.output(lines([3, 0, 4, 1, 2].map((n) => okLine(`job-${n}`))));
    const summary = await job.join({ output, error: null });
    expect(summary).toEqual({
      rows: 5,
      ok: 5,
      failed: 0,
      leftover: 0,
      usage: { input: 35, cachedInput: 0, output: 15, reasoning: 0 },
      anomalies: { unknown: 0, duplicate: 0, malformed: 0, missing: 0 },
      failedCodes: {},
    });
    const answer = JSON.parse(okLine('job-2'));
    expect(job.rows()[2]).toEqual({
      ordinal: 2,
      custom_id: 'job-2',
      status: 'ok',
      record: rows[2]?.record,
      response: answer.response,
      error: null,
      attempts: [attempt('ok')],
    });
    expect(Object.keys(job.rows()[0] ?? {})).toEqual([
      'ordinal',
      'custom_id',
      'status',
      'record',
      'response',
      'error',
      'attempts',
    ]);
    expect(job.rows().map((row) => row.ordinal)).toEqual([0, 1, 2, 3, 4]);
  });

  test('keeps what the service wrote, byte for byte', async () => {
    using job = new TestJob();
    job.seal(plainRows(1));
    const response =
      '{ "status_code" : 200 ,"body":{"big":12345678901234567890,"e":1.0E+2, "s":"\\u00e9\\/é"}}';
    const output = job.output(`{"custom_id":"job-0","response": ${response} ,"error": null}\n`);
    await job.join({ output, error: null });
    expect(job.text(`results/${NAME}.ndjson`)).toContain(`"response":${response},"error":null`);
  });

  test('takes memory for one shard at a time, however many are joined at once', async () => {
    using job = new TestJob();
    const names = ['p0000-0000', 'p0000-0001', 'p0000-0002'];
    for (const name of names) job.seal(plainRows(3), name);
    const output = job.output(lines([0, 1, 2].map((n) => okLine(`job-${n}`))));
    let open = 0;
    let most = 0;
    const read = AnswerReader.open.bind(AnswerReader);
    const opened = vi.spyOn(AnswerReader, 'open').mockImplementation(async (files) => {
      most = Math.max(most, ++open);
      const reader = await read(files);
      const close = reader.close.bind(reader);
      reader.close = () => close().finally(() => open--);
      return reader;
    });
    const joins = names.map((name) => job.join({ output, error: null }, { name }));
    for (const summary of await Promise.all(joins)) expect(summary.ok).toBe(3);
    expect([open, most]).toEqual([0, 1]);
    opened.mockRestore();
  });

  test('goes on with the next shard when one fails, and leaves nothing of it', async () => {
    using job = new TestJob();
    job.seal(plainRows(2), 'p0000-0000');
    job.seal(plainRows(2), 'p0000-0001');
    // An index that cannot be removed, since it is a folder: known only when all else is written.
    mkdirSync(join(job.directory, 'results', 'p0000-0000.index'));
    const output = job.output(lines([okLine('job-0'), failedLine('job-1', 400, 'content_filter')]));
    const joins = ['p0000-0000', 'p0000-0001'].map((name) =>
      job.join({ output, error: null }, { name }),
    );
    const [first, second] = await Promise.allSettled(joins);
    expect([first?.status, second?.status]).toEqual(['rejected', 'fulfilled']);
    const left = ['shards', 'results'].flatMap((folder) =>
      readdirSync(join(job.directory, folder)),
    );
    expect(left.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(left.filter((name) => name.startsWith('p0000-0001.'))).toContain('p0000-0001.ndjson');
  });

  test('sorts failures into final rows and rows to try again', async () => {
    using job = new TestJob();
    job.seal(plainRows(6));
    const output = job.output(lines([okLine('job-0'), failedLine('job-1', 500, 'server_error')]));
    const error = job.errors(
      lines([
        failedLine('job-2', 400, 'content_filter'),
        expiredLine('job-3'),
        failedLine('job-4', 429),
      ]),
    );
    const summary = await job.join({ output, error });
    expect(summary).toMatchObject({ rows: 6, ok: 1, failed: 1, leftover: 4 });
    expect(summary.anomalies.missing).toBe(1);
    expect(summary.failedCodes).toEqual({ content_filter: 1 });
    expect(job.rows()[1]).toMatchObject({
      ordinal: 2,
      status: 'failed',
      response: { status_code: 400 },
      error: { code: 'content_filter', message: '400 for job-2' },
      attempts: [attempt('content_filter')],
    });
    expect(job.text(`shards/${NAME}.leftover.records.ndjson`)).toBe(
      lines(
        [
          [1, 'server_error'],
          [3, 'batch_expired'],
          [4, 'http_429'],
          [5, 'missing'],
        ].map(([n, code]) =>
          JSON.stringify({
            ordinal: n,
            record: { text: `record ${n}` },
            attempts: [attempt(String(code))],
          }),
        ),
      ),
    );
    const requests = job.text(`shards/${NAME}.requests.jsonl`).split('\n');
    expect(job.text(`shards/${NAME}.leftover.requests.jsonl`)).toBe(
      lines([1, 3, 4, 5].map((n) => requests[n] ?? '')),
    );
    expect(job.text(`shards/${NAME}.failed.requests.jsonl`)).toBe(`${requests[2]}\n`);
  });

  test('a retryable failure is final at the last attempt, history included', async () => {
    using job = new TestJob();
    const rows = plainRows(3).map((row) => ({ ...row, attempts: row.ordinal < 2 ? HISTORY : [] }));
    job.seal(rows);
    const output = job.output(lines([okLine('job-0'), failedLine('job-1', 503)]));
    const summary = await job.join({ output, error: null }, { maxAttempts: 2 });
    expect(summary).toMatchObject({ ok: 1, failed: 1, leftover: 1, failedCodes: { http_503: 1 } });
    expect(job.rows().map((row) => row.attempts)).toEqual([
      [...HISTORY, attempt('ok')],
      [...HISTORY, attempt('http_503')],
    ]);
    // A key written twice would be hidden by the parser.
    const text = job.text(`results/${NAME}.ndjson`);
    expect(text).toBe(lines(job.rows().map((row) => JSON.stringify(row))));
    const failed = job.rows(`shards/${NAME}.failed.records.ndjson`);
    expect(job.text(`shards/${NAME}.failed.records.ndjson`)).toBe(
      lines(failed.map((row) => JSON.stringify(row))),
    );
    expect(failed).toEqual([
      { ordinal: 1, record: rows[1]?.record, attempts: [...HISTORY, attempt('http_503')] },
    ]);
  });

  test('reads rows whose records look like the format around them', async () => {
    using job = new TestJob();
    const records = [{ attempts: [1] }, [{ attempts: [] }], '","attempts":[]', null, { a: '"}' }];
    const rows = records.map((record, ordinal) => ({ id: `job-${ordinal}`, ordinal, record }));
    job.seal(rows);
    const output = job.output(lines(rows.map(({ id }) => okLine(id))));
    await job.join({ output, error: null });
    expect(job.rows().map((row) => row.record)).toEqual(records);
  });

  test('a batch that failed in validation: bad lines are final, the rest is not charged', async () => {
    using job = new TestJob();
    job.seal(plainRows(3));
    const lineErrors = new Map([[2, { code: 'invalid_request', message: 'no messages' }]]);
    const none = { output: null, error: null };
    const summary = await job.join(none, { lineErrors, chargeAttempt: false });
    expect(summary).toMatchObject({ ok: 0, failed: 1, leftover: 2 });
    expect(summary.anomalies.missing).toBe(2);
    expect(job.rows()).toMatchObject([
      {
        ordinal: 1,
        custom_id: 'job-1',
        response: null,
        error: { code: 'invalid_request', message: 'no messages' },
        attempts: [attempt('invalid_request')],
      },
    ]);
    expect(job.text(`shards/${NAME}.leftover.records.ndjson`)).not.toContain('attempts');
  });

  test('the override decides before the table does', async () => {
    using job = new TestJob();
    job.seal(plainRows(3));
    const output = job.output(lines([failedLine('job-0', 500), failedLine('job-1', 400)]));
    const asked: unknown[] = [];
    const summary = await job.join(
      { output, error: null },
      {
        retryOverride: (code, status) => {
          asked.push([code, status]);
          return code === 'missing' ? undefined : status === 400;
        },
      },
    );
    expect(asked).toEqual([
      ['http_500', 500],
      ['http_400', 400],
      ['missing', null],
    ]);
    expect(summary).toMatchObject({ failed: 1, leftover: 2 });
    const cancelled = await job.join({ output, error: null }, { retryOverride: () => false });
    expect(cancelled).toMatchObject({ failed: 3, leftover: 0 });
    expect(job.rows()[2]).toMatchObject({ error: { code: 'missing' }, response: null });
  });

  test('finds ids that take up most of their requests and are written with escapes', async () => {
    using job = new TestJob();
    const rows = plainRows(3).map((row) => ({ ...row, id: `"${'i'.repeat(500)}${row.ordinal}` }));
    job.seal(rows);
    const output = job.output(lines(rows.map(({ id }) => okLine(id))));
    expect(await job.join({ output, error: null })).toMatchObject({ rows: 3, ok: 3 });
    expect(job.rows().map(({ custom_id }) => custom_id)).toEqual(rows.map(({ id }) => id));
  });

  test('done twice gives the same files as once', async () => {
    using job = new TestJob();
    job.seal(plainRows(50));
    const output = job.output(
      lines(Array.from({ length: 40 }, (_, n) => (n % 3 ? okLine : failing(n))(`job-${n}`))),
    );
    const first = await job.join({ output, error: null });
    const files = job.files();
    expect(Object.keys(files).length).toBe(7);
    expect(await job.join({ output, error: null })).toEqual(first);
    expect(job.files()).toEqual(files);
  });

  test('removes what an earlier try wrote and this one does not', async () => {
    using job = new TestJob();
    job.seal(plainRows(2));
    await job.join({ output: null, error: job.errors(failedLine('job-0', 400)) });
    expect(Object.keys(job.files()).length).toBe(7);
    const output = job.output(lines([okLine('job-0'), okLine('job-1')]));
    await job.join({ output, error: null });
    expect(Object.keys(job.files())).toEqual([
      `shards/${NAME}.records.ndjson`,
      `shards/${NAME}.requests.jsonl`,
      `results/${NAME}.ndjson`,
    ]);
  });

  test.runIf(existsSync(DESCRIPTORS))(
    'gives every descriptor back, also when it fails',
    async () => {
      using job = new TestJob();
      job.seal(plainRows(2));
      const answers = { output: job.output(okLine('job-0')), error: job.errors('') };
      const join = async () => {
        await job.join(answers);
        await expect(job.join({ output: answers.output, error: 'nowhere' })).rejects.toThrow();
        await expect(job.join(answers, { name: 'nowhere' })).rejects.toThrow();
      };
      await join();
      const before = readdirSync(DESCRIPTORS).length;
      for (let n = 0; n < 5; n++) await join();
      expect(readdirSync(DESCRIPTORS).length).toBeLessThan(before + 5);
    },
  );

  test('leaves no file of a join that fails', async () => {
    using job = new TestJob();
    job.seal(plainRows(2000).map((row) => ({ ...row, record: 'x'.repeat(500) })));
    const output = job.output(lines([okLine('job-0')]));
    job.write(
      `shards/${NAME}.records.ndjson`,
      job.text(`shards/${NAME}.records.ndjson`).slice(0, -9),
    );
    const before = job.files();
    await expect(job.join({ output, error: null })).rejects.toMatchObject({
      code: 'corrupt_shard',
    });
    expect(job.files()).toEqual(before);
  });
});

function failing(n: number) {
  return (id: string) => failedLine(id, n % 2 ? 500 : 400);
}
