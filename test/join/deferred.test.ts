import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dropFailed } from '../../src/join/drop-failed.ts';
import type { JoinOptions } from '../../src/join/join-shard.ts';
import { arrivalOrder, mergeResults, type ResultFile } from '../../src/join/merge.ts';
import { readRows, resultBlocks } from '../../src/join/result-file.ts';
import {
  AT,
  expiredLine,
  failedLine,
  lines,
  NAME,
  okLine,
  plainRows,
  TestJob,
  type TestRow,
} from './helpers.ts';

const RESULTS = `results/${NAME}.ndjson`;

/** Every byte of the shard's rows, as whoever reads them sees it. */
async function rendered(job: TestJob, name = NAME, reuse = true): Promise<string> {
  const parts: Buffer[] = [];
  let at = 0;
  for await (const block of resultBlocks(`${job.directory}/results/${name}.ndjson`, { reuse })) {
    const { buffer, start, end, offset, known } = block;
    const part = Buffer.from(buffer.subarray(start, end));
    if (known !== undefined) {
      const rows = part.toString().trimEnd().split('\n');
      const ordinals = rows.map((row) => (JSON.parse(row) as { ordinal: number }).ordinal);
      const { first, last, rows: count } = known;
      expect([ordinals[0], ordinals.at(-1), ordinals.length]).toEqual([first, last, count]);
      expect(offset).toBe(at);
    }
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts).toString();
}

/** The same shard joined in both ways; the one that defers comes second. */
async function joinedTwice(
  job: TestJob,
  answers: JoinOptions['answers'],
  options: Partial<JoinOptions> = {},
): Promise<[string, string]> {
  const summary = await job.join(answers, options);
  const files = job.files();
  expect(await job.join(answers, { ...options, deferFrom: 0 })).toEqual(summary);
  const deferred = job.files();
  expect(Object.keys(deferred).filter((path) => path.endsWith('.index')).length).toBe(
    summary.ok > 0 ? 1 : 0,
  );
  for (const [path, text] of Object.entries(files)) {
    if (path !== RESULTS) expect(deferred[path]).toBe(text);
  }
  return [files[RESULTS] ?? '', await rendered(job)];
}

async function texts(batches: AsyncIterable<Buffer[]>): Promise<string> {
  let text = '';
  for await (const batch of batches) for (const line of batch) text += `${line}\n`;
  return text;
}

function answersOf(job: TestJob, output: string[], error: string[] = []): JoinOptions['answers'] {
  return {
    output: job.write(`downloads/${NAME}.output.jsonl`, lines(output)),
    error: job.write(`downloads/${NAME}.error.jsonl`, lines(error)),
  };
}

const history = fc.array(
  fc.record({ batch: fc.string(), code: fc.string(), at: fc.constant(AT) }),
  {
    maxLength: 1,
  },
);
const drawn = fc.record({
  rows: fc.array(
    fc.record({
      skip: fc.nat(2),
      record: fc.jsonValue(),
      attempts: history,
      fate: fc.constantFrom('ok', 'ok', 'ok', 'escaped', 'expired', 'failed', 'missing', 'twice'),
      inErrors: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  ),
  own: fc.boolean(),
  gaps: fc.boolean(),
  first: fc.nat(1e6),
  stray: fc.array(fc.constantFrom('x', 'job-', 'job-00', 'job-9999999', 'job-1e3'), {
    maxLength: 3,
  }),
});

describe('rows that are put together when they are read', () => {
  test('are byte for byte those of a join that writes them', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async ({ rows: plan, own, gaps, first, stray }) => {
        using job = new TestJob();
        let ordinal = first - 1;
        const output: string[] = [];
        const errors: string[] = [];
        const rows: TestRow[] = plan.map(({ skip, record, attempts, fate, inErrors }) => {
          ordinal += 1 + (gaps ? skip : 0);
          const id = own ? `${ordinal % 2 ? 'né"' : 'user/'}${ordinal * 7}` : `job-${ordinal}`;
          const into = inErrors ? errors : output;
          if (fate === 'expired') into.push(expiredLine(id));
          else if (fate === 'failed') into.push(failedLine(id, 400));
          else if (fate === 'escaped')
            into.push(okLine(id).replace('"custom_id"', '"custom\\u005fid"'));
          else if (fate !== 'missing') into.push(okLine(id, `${ordinal}`));
          if (fate === 'twice') errors.push(okLine(id, 'again'));
          return { id, ordinal, record, attempts };
        });
        for (const id of stray) output.push(okLine(id));
        job.seal(rows);
        const contiguous = !own && ordinal - first + 1 === rows.length;
        const ordinals = { prefix: 'job-', first, rows: rows.length };
        const answers = answersOf(job, output.reverse(), errors);
        const [plain, known] = await joinedTwice(job, answers);
        expect(known).toBe(plain);
        if (!contiguous) return;
        const files = job.files();
        const summary = await job.join(answers);
        expect(await job.join(answers, { ordinals })).toEqual(summary);
        // Without a final row there is no file.
        expect(plain === '' || job.text(RESULTS) === plain).toBe(true);
        expect(await job.join(answers, { ordinals, deferFrom: 0 })).toEqual(summary);
        expect(await rendered(job, NAME, false)).toBe(plain);
        expect(Object.keys(job.files())).toEqual(Object.keys(files));
      }),
      { numRuns: 40 },
    );
  });

  test('come in blocks, and merge with what lies between them', async () => {
    using job = new TestJob();
    const rows = plainRows(6000).map((row) => ({ ...row, record: `${row.id} ${'x'.repeat(400)}` }));
    const retried = rows.filter(({ ordinal }) => ordinal % 700 === 3);
    job.seal(rows);
    job.seal(retried, 'r0001');
    const answers = rows.filter((row) => !retried.includes(row)).map(({ id }) => okLine(id));
    const [plain, known] = await joinedTwice(job, answersOf(job, answers.toReversed()), {
      ordinals: { prefix: 'job-', first: 0, rows: 6000 },
    });
    expect(known === plain).toBe(true);
    const output = job.output(lines(retried.map(({ id }) => okLine(id))));
    await job.join({ output, error: null }, { name: 'r0001' });
    const files: ResultFile[] = [NAME, 'r0001'].map((name, n) => ({
      path: `${job.directory}/results/${name}.ndjson`,
      firstOrdinal: n * 3,
      lastOrdinal: 5999,
      rows: n === 0 ? rows.length - retried.length : retried.length,
    }));
    const merged = (await texts(mergeResults(files))).trimEnd().split('\n');
    const ids = merged.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    expect(ids).toEqual(rows.map(({ id }) => id));
    const arrived = await texts(arrivalOrder(files.map(({ path }) => path)));
    expect(arrived.startsWith(plain)).toBe(true);
    const wrong = mergeResults([{ ...files[0]!, rows: 6000 }]);
    await expect(texts(wrong)).rejects.toThrow(/rows where 6000 were written/);
  });

  test('stay when the failed ones are reopened', async () => {
    using job = new TestJob();
    const rows = plainRows(6);
    job.seal(rows);
    const answers = rows.map(({ id, ordinal }) => (ordinal % 2 ? okLine(id) : failedLine(id, 400)));
    await job.join(answersOf(job, answers), { deferFrom: 0 });
    expect(job.rows().map(({ status }) => status)).toEqual(['failed', 'failed', 'failed']);
    expect(await dropFailed(job.directory, NAME)).toEqual({ kept: 3, dropped: 3 });
    expect(await dropFailed(job.directory, NAME)).toEqual({ kept: 3, dropped: 3 });
    const left: unknown[] = [];
    for await (const row of readRows(`${job.directory}/${RESULTS}`)) left.push(row.ordinal);
    expect(left).toEqual([1, 3, 5]);
  });

  test('are written out when the files are small, or their outputs are read', async () => {
    using job = new TestJob();
    job.seal(plainRows(3));
    const answers = answersOf(job, [okLine('job-0'), okLine('job-1')]);
    await job.join(answers, { deferFrom: 0 });
    expect(existsSync(`${job.directory}/results/${NAME}.index`)).toBe(true);
    await job.join(answers, { deferFrom: 1e6 });
    expect(existsSync(`${job.directory}/results/${NAME}.index`)).toBe(false);
    expect(job.rows().length).toBe(2);
    const readOutput = () => ({ kind: 'value', value: 1 }) as const;
    await job.join(answers, { deferFrom: 0, readOutput });
    expect(job.rows()).toMatchObject([{ output: 1 }, { output: 1 }]);
  });

  test('are not made of places that the answers do not have', async () => {
    using job = new TestJob();
    const rows = plainRows(4);
    job.seal(rows);
    const answers = rows.map(({ id }) => okLine(id));
    await job.join(answersOf(job, answers), { deferFrom: 0 });
    const index = `${job.directory}/results/${NAME}.index`;
    const whole = readFileSync(index);
    const starts = whole.indexOf('\n') + 1;
    for (const start of [-8, 1e6, 2 ** 40, Number.NaN]) {
      const wrong = Buffer.from(whole);
      wrong.writeDoubleLE(start, starts + 8);
      writeFileSync(index, wrong);
      await expect(rendered(job)).rejects.toMatchObject({ code: 'damaged_result' });
    }
  });

  test.each([
    ['the answers are gone', `downloads/${NAME}.output.jsonl`, null, 'results_gone'],
    ['the answers are cut', `downloads/${NAME}.output.jsonl`, -10, 'damaged_result'],
    ['the records are cut', `shards/${NAME}.records.ndjson`, -30, 'corrupt_shard'],
    ['the index is cut', `results/${NAME}.index`, -8, 'damaged_result'],
    ['the index is not one', `results/${NAME}.index`, 20, 'damaged_result'],
  ])('say so when %s', async (_, path, cut, code) => {
    using job = new TestJob();
    const rows = plainRows(4);
    job.seal(rows);
    await job.join(
      answersOf(
        job,
        rows.map(({ id }) => okLine(id)),
      ),
      { deferFrom: 0 },
    );
    if (cut === null) rmSync(`${job.directory}/${path}`);
    else job.write(path, job.text(path).slice(0, cut));
    await expect(rendered(job)).rejects.toMatchObject({ code });
  });
});
