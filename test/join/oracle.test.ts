import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RowAttempt } from '../../src/core/result.ts';
import { judgeAnswer, MISSING } from '../../src/join/outcome.ts';
import { AT, lines, NAME, TestJob, type TestRow } from './helpers.ts';

// The join by whole files, a Map and JSON.parse: what joinShard must equal.
function joinPlainly(rows: readonly TestRow[], answers: readonly string[], maxAttempts: number) {
  const byId = new Map<string, { custom_id: string; response: unknown }>();
  for (const text of answers) {
    const answer = parseAnswer(text);
    if (answer === undefined) continue;
    const earlier = byId.get(answer.custom_id);
    const better = earlier === undefined || (!judgeAnswer(earlier).ok && judgeAnswer(answer).ok);
    if (better) byId.set(answer.custom_id, answer);
  }
  const final: unknown[] = [];
  const leftover: unknown[] = [];
  const failed: unknown[] = [];
  for (const { id, ordinal, record, attempts: history = [] } of rows) {
    const answer = byId.get(id);
    const outcome =
      answer === undefined
        ? ({ ok: false, error: MISSING, retryable: true } as const)
        : judgeAnswer(answer);
    const code = outcome.ok ? 'ok' : outcome.error.code;
    const attempts = [...history, { batch: 'batch_1', code, at: AT }];
    const again = !outcome.ok && outcome.retryable && attempts.length < maxAttempts;
    if (again) {
      leftover.push({ ordinal, record, attempts });
      continue;
    }
    const status = outcome.ok ? 'ok' : 'failed';
    const response = answer?.response ?? null;
    const error = outcome.ok ? null : outcome.error;
    final.push({ ordinal, custom_id: id, status, record, response, error, attempts });
    if (!outcome.ok) failed.push({ ordinal, record, attempts });
  }
  return { final, leftover, failed };
}

function parseAnswer(text: string): { custom_id: string; response: unknown } | undefined {
  try {
    const answer = JSON.parse(text);
    return typeof answer?.custom_id === 'string' ? answer : undefined;
  } catch {
    return undefined;
  }
}

const id = fc.oneof(
  fc.nat(30).map((n) => `job-${n}`),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }),
);
const history: fc.Arbitrary<RowAttempt[]> = fc.array(
  fc.record({ batch: fc.string(), code: fc.string(), at: fc.constant(AT) }),
  { maxLength: 2 },
);
/** A value as JSON brings it back: it has no -0. */
const written = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
const shard: fc.Arbitrary<TestRow[]> = fc
  .uniqueArray(fc.record({ id, record: written, attempts: history, skip: fc.nat(4) }), {
    selector: (row) => row.id,
    minLength: 1,
    maxLength: 25,
  })
  .map((rows) => {
    let ordinal = -1;
    return rows.map(({ skip, ...row }) => {
      ordinal += 1 + skip;
      return { ...row, ordinal };
    });
  });
const response = fc.oneof(
  fc.constant(null),
  fc.record({
    body: written,
    request_id: fc.string(),
    status_code: fc.constantFrom(200, 200, 200, 400, 429, 500, 0),
  }),
);
const error = fc.constantFrom(
  null,
  null,
  { code: 'batch_expired', message: 'late' },
  { code: 'x' },
);
const answer = (ids: readonly string[]) =>
  fc
    .record({
      custom_id: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...ids) }, id),
      response,
      error,
      cut: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(40)),
    })
    .map(({ cut, ...line }) => JSON.stringify(line).slice(0, cut === 0 ? undefined : -cut));
const plan = shard.chain((rows) => {
  const answers = fc.array(answer(rows.map((row) => row.id)), { maxLength: 30 });
  return fc.record({ rows: fc.constant(rows), output: answers, error: answers, max: fc.nat(4) });
});

test('equals a join by Map and JSON.parse, and loses and invents no row', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ rows, output, error: errors, max }) => {
      using job = new TestJob();
      job.seal(rows);
      const answers = { output: job.output(lines(output)), error: job.errors(lines(errors)) };
      const summary = await job.join(answers, { maxAttempts: max });
      const expected = joinPlainly(rows, [...output, ...errors], max);
      const files = job.files();
      const parse = (path: string) => (path in files ? job.rows(path) : []);
      const final = parse(`results/${NAME}.ndjson`);
      const leftover = parse(`shards/${NAME}.leftover.records.ndjson`);
      expect(final).toEqual(expected.final);
      expect(leftover).toEqual(expected.leftover);
      expect(parse(`shards/${NAME}.failed.records.ndjson`)).toEqual(expected.failed);
      expect([summary.rows, summary.ok + summary.failed, summary.leftover]).toEqual([
        rows.length,
        final.length,
        leftover.length,
      ]);
      const requests = (kind: string) => files[`shards/${NAME}.${kind}requests.jsonl`] ?? '';
      const all = requests('').split('\n');
      const kept = leftover.map(
        (left) => all[rows.findIndex((row) => row.ordinal === left.ordinal)],
      );
      expect(requests('leftover.')).toBe(lines(kept.map(String)));
    }),
    { numRuns: 150 },
  );
});
