import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeAnswer } from '../../src/join/outcome.ts';
import { lines, plainRows, TestJob } from './helpers.ts';

const ROWS = 12;

// Lines of one shape but for what a line may say in a place of it: most are the kernel's.
const count = fc.oneof(
  { weight: 8, arbitrary: fc.nat(1e6) as fc.Arbitrary<unknown> },
  fc.constantFrom(null, 1.5, -2, 1234567890123, '7'),
);
const drawn = fc.record({
  id: fc.oneof(
    { weight: 8, arbitrary: fc.nat(ROWS - 1).map((n) => `job-${n}`) },
    fc.constantFrom('job-00', 'job-12', 'job-', 'job-x', 'job-1 ', 'other', 'j\\u006fb-3', ''),
  ),
  status: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<unknown>(200, 200, 201, 299) },
    fc.constantFrom<unknown>(300, 400, 0, 99, 1200, '200', 200.5, null),
  ),
  text: fc.string({ unit: 'binary', maxLength: 90 }),
  prompt: count,
  completion: count,
  error: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.constant({ code: 'x' })),
});

/** The account of the lines by JSON.parse and a Map. */
function plainly(texts: readonly string[]) {
  const usage = { input: 0, output: 0 };
  const taken = new Map<string, { line: unknown; ok: boolean }>();
  let duplicate = 0;
  for (const text of texts) {
    const line = JSON.parse(text);
    const { ok } = judgeAnswer(line);
    const before = taken.get(line.custom_id);
    if (before !== undefined) duplicate++;
    if (before !== undefined && (!ok || before.ok)) continue;
    taken.set(line.custom_id, { line, ok });
    const { prompt_tokens: input, completion_tokens: output } = line.response.body.usage;
    if (typeof input === 'number') usage.input += input;
    if (typeof output === 'number') usage.output += output;
  }
  const known = [...taken].filter(([id]) => plainRows(ROWS).some((row) => row.id === id));
  return { usage, duplicate, unknown: taken.size - known.length, known: new Map(known) };
}

test('is the account of the lines, whoever reads them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(drawn, { minLength: 8, maxLength: 60 }),
      fc.boolean(),
      async (plan, listed) => {
        using job = new TestJob();
        job.seal(plainRows(ROWS));
        const texts = plan.map(({ id, status, text, prompt, completion, error }) => {
          const body = { text, usage: { prompt_tokens: prompt, completion_tokens: completion } };
          const rest = JSON.stringify({ response: { status_code: status, body }, error });
          return `{"custom_id":"${id}",${rest.slice(1)}`;
        });
        const expected = plainly(texts);
        const { usage, anomalies, ok } = await job.join(
          { output: job.output(lines(texts)), error: null },
          listed ? {} : { ordinals: { prefix: 'job-', first: 0, rows: ROWS } },
        );
        const { input, output } = usage;
        expect(input).toBeCloseTo(expected.usage.input, 3);
        expect(output).toBeCloseTo(expected.usage.output, 3);
        expect(anomalies).toMatchObject({
          duplicate: expected.duplicate,
          unknown: expected.unknown,
          malformed: 0,
        });
        const right = [...expected.known].filter(([, answer]) => answer.ok);
        expect(ok).toBe(right.length);
        for (const row of ok === 0 ? [] : job.rows()) {
          const { line } = expected.known.get(row.custom_id!)!;
          expect(row.response).toEqual((line as { response: unknown }).response);
        }
      },
    ),
    { numRuns: 40 },
  );
});
