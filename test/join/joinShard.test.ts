import { describe, expect, test } from 'vitest';
import { AT, expiredLine, failedLine, lines, NAME, okLine, plainRows, TestJob } from './helpers.ts';

const attempt = (code: string) => ({ batch: 'batch_1', code, at: AT });

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
});
