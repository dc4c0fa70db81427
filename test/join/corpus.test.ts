import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerKernel } from '../../src/join/answer-kernel.ts';
import { AnswerReader } from '../../src/join/answer-reader.ts';
import { AnswerIndex } from '../../src/join/answers.ts';
import { IdTable } from '../../src/join/id-table.ts';
import { lineBlocks } from '../../src/join/line-blocks.ts';
import { expiredLine, failedLine, lines, NAME, okLine, plainRows, TestJob } from './helpers.ts';

const IDS = [0, 1, 2, 3, 4, 5];
const ALL_OK = lines(IDS.map((n) => okLine(`job-${n}`, `Zażółć 🧵 ${n} "quoted" \u2028`)));

/** Statuses by ordinal after a join of six rows; a row that is left over has none. */
async function joined(output: string | Uint8Array | null, error: string | Uint8Array | null) {
  using job = new TestJob();
  job.seal(plainRows(IDS.length));
  const summary = await job.join({
    output: output === null ? null : job.output(output),
    error: error === null ? null : job.errors(error),
  });
  const found = summary.ok > 0 || summary.failed > 0 ? job.rows() : [];
  expect(summary.rows).toBe(summary.ok + summary.failed + summary.leftover);
  expect(found.length).toBe(summary.ok + summary.failed);
  return { summary, statuses: IDS.map((n) => found.find((row) => row.ordinal === n)?.status) };
}

describe('the corpus of outputs', () => {
  test('cut at every sixteenth: whole lines count, the cut one is missing', async () => {
    const bytes = Buffer.from(ALL_OK);
    const ends = IDS.map((n) => lineEnd(bytes, n));
    for (let part = 0; part <= 16; part++) {
      const cut = bytes.subarray(0, Math.floor((bytes.length * part) / 16));
      const whole = ends.filter((end) => end <= cut.length).length;
      const { summary } = await joined(cut, null);
      expect([part, summary.ok]).toEqual([part, whole]);
      expect(summary.leftover).toBe(IDS.length - whole);
    }
  });

  test('cut inside a UTF-8 character', async () => {
    const bytes = Buffer.from(ALL_OK);
    const inThread = bytes.lastIndexOf('🧵') + 2;
    const { summary } = await joined(bytes.subarray(0, inThread), null);
    expect(summary).toMatchObject({ ok: 5, leftover: 1 });
    expect(summary.anomalies).toMatchObject({ malformed: 1, missing: 1 });
  });

  test.each([
    ['no final newline', ALL_OK.trimEnd()],
    ['a BOM', `\ufeff${ALL_OK}`],
    ['CRLF', ALL_OK.replaceAll('\n', '\r\n')],
    ['blank lines', `\n \n${ALL_OK.replaceAll('\n', '\n\n\t\n')}\r\n`],
    ['reordered lines', lines(ALL_OK.trimEnd().split('\n').reverse())],
    ['blanks around the line', ALL_OK.replaceAll('\n', '  \n  ')],
  ])('%s', async (_, output) => {
    const { summary } = await joined(output, '');
    expect(summary.ok).toBe(6);
    expect(summary.anomalies).toEqual({ unknown: 0, duplicate: 0, malformed: 0, missing: 0 });
  });

  test('zero bytes, and no file at all', async () => {
    for (const nothing of ['', '\ufeff', null]) {
      const { summary } = await joined(nothing, nothing);
      expect(summary).toMatchObject({ ok: 0, failed: 0, leftover: 6 });
      expect(summary.anomalies.missing).toBe(6);
    }
  });

  test('an error file only', async () => {
    const { statuses } = await joined(null, lines(IDS.map((n) => failedLine(`job-${n}`, 400))));
    expect(statuses).toEqual(IDS.map(() => 'failed'));
  });

  test('a raw U+2028 in the answer is no line end', async () => {
    const { summary } = await joined(ALL_OK, null);
    expect(ALL_OK).toContain('\u2028');
    expect(summary.ok).toBe(6);
  });

  test('duplicates: the first ok answer counts, and its tokens once', async () => {
    using job = new TestJob();
    job.seal(plainRows(2));
    const output = job.output(
      lines([
        failedLine('job-0', 500),
        okLine('job-0', 'first'),
        okLine('job-0', 'second'),
        failedLine('job-0', 400),
        okLine('job-1'),
      ]),
    );
    const summary = await job.join({ output, error: null });
    expect(summary).toMatchObject({ ok: 2, failed: 0, leftover: 0 });
    expect(summary.anomalies.duplicate).toBe(3);
    expect(summary.usage.input).toBe(14);
    expect(JSON.stringify(job.rows()[0]?.response)).toContain('first');
  });

  test('the same id in both files: an ok answer wins from either', async () => {
    const both = [okLine('job-0'), failedLine('job-1', 500)];
    const other = [failedLine('job-0', 500), okLine('job-1'), failedLine('job-2', 400)];
    const { summary, statuses } = await joined(lines(both), lines(other));
    expect(statuses.slice(0, 3)).toEqual(['ok', 'ok', 'failed']);
    expect(summary.anomalies.duplicate).toBe(2);
  });

  test('unknown ids and lines that are no answers', async () => {
    const strange = ['{"custom_id":7}', '[]', 'null', '{"id":"x"}', 'Internal Server Error', '{}'];
    const unknown = [okLine('job-6'), okLine('job-'), okLine('other-1'), okLine('')];
    const { summary } = await joined(ALL_OK + lines([...strange, ...unknown]), null);
    expect(summary.ok).toBe(6);
    expect(summary.anomalies).toEqual({ unknown: 4, duplicate: 0, malformed: 6, missing: 0 });
  });

  test('expired and cancelled with part results keep what was paid for', async () => {
    const output = lines([okLine('job-3'), okLine('job-1')]);
    const error = lines([expiredLine('job-0'), expiredLine('job-2', 'batch_cancelled')]);
    const { summary, statuses } = await joined(output, error);
    expect(statuses.map((status) => status ?? 'again')).toEqual([
      'again',
      'ok',
      'again',
      'ok',
      'again',
      'again',
    ]);
    expect(summary.anomalies.missing).toBe(2);
  });

  test('a line of many blocks', async () => {
    const huge = 'é'.repeat(6 * 1024 * 1024);
    const output = lines([okLine('job-0'), okLine('job-1', huge), okLine('job-2')]);
    using job = new TestJob();
    job.seal(plainRows(6));
    const summary = await job.join({ output: job.output(output), error: null });
    expect(summary.ok).toBe(3);
    const body = job.rows()[1]?.response?.body as { choices: { message: { content: string } }[] };
    expect(body.choices[0]?.message.content === huge).toBe(true);
  });

  test("ids of the user's own, however they are written", async () => {
    using job = new TestJob();
    const ids = ['a"b', 'naïve/é', '\u0001', 'x'.repeat(2000), '{"custom_id":"y"}', '🧵', '\\'];
    job.seal(ids.map((id, ordinal) => ({ id, ordinal: ordinal * 7, record: [ordinal] })));
    const output = lines(ids.toReversed().map((id) => okLine(id, `for ${id}`)));
    // What Python writes by default: everything but ASCII escaped.
    const escaped = output.replaceAll(/[^\0-\x7f]/g, (unit) => {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    });
    for (const text of [output, escaped]) {
      const summary = await job.join({ output: job.output(text), error: null });
      expect(summary.ok).toBe(ids.length);
      expect(job.rows().map((row) => row.custom_id)).toEqual(ids);
      expect(job.rows().map((row) => answerOf(row.response?.body))).toEqual(
        ids.map((id) => `for ${id}`),
      );
    }
  });

  test('more answers than the service can have given', async () => {
    const foreign = Array.from({ length: 140_000 }, (_, n) => `{"custom_id":"x-${n}"}`);
    const { summary } = await joined(lines([okLine('job-0'), ...foreign, okLine('job-5')]), null);
    expect(summary).toMatchObject({ ok: 2, anomalies: { unknown: 140_000, missing: 4 } });
  });

  test('answers that are gone say so', async () => {
    using job = new TestJob();
    job.seal(plainRows(1));
    const reading = job.join({ output: `${job.directory}/downloads/none`, error: null });
    await expect(reading).rejects.toMatchObject({ code: 'download_missing', retryable: true });
    expect(Object.keys(job.files())).toEqual([
      `shards/${NAME}.records.ndjson`,
      `shards/${NAME}.requests.jsonl`,
    ]);
  });
});

describe('lineBlocks', () => {
  test.each([1, 2, 3, 5, 64, 1024])(
    'finds the same answers in blocks of %i bytes',
    async (blockBytes) => {
      using job = new TestJob();
      const output = job.output(`\ufeff${ALL_OK}{"custom_id":"x"}\r\n${okLine('last')}`);
      const all = [...IDS.map((n) => `job-${n}`), 'last'];
      const kernel = new AnswerKernel({ requestBytes: 1000 }, blockBytes);
      for (const id of all) kernel.addId(Buffer.from(id), Buffer.from(id), 0);
      kernel.numberIds();
      const reader = await AnswerReader.open({ output, error: null });
      const index = await AnswerIndex.read(reader, kernel);
      try {
        for (const id of all) {
          const entry = kernel.findId(Buffer.from(id), 0, id.length);
          expect(index.parse(entry)).toMatchObject({ custom_id: id });
          const response = Buffer.alloc(index.responseLength(entry));
          reader.read(index.responseStart(entry), response.length, response, 0);
          expect(JSON.parse(response.toString())).toMatchObject({ request_id: `req-${id}` });
        }
        expect(index.unknown).toBe(1);
      } finally {
        await reader.close();
      }
    },
  );

  test('gives every byte once, at its offset, as whole lines', async () => {
    const piece = fc.oneof(
      fc.constant('\n'),
      fc.string({ maxLength: 30 }),
      fc.constant('x'.repeat(99)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        async (pieces, blockBytes, reuse) => {
          using job = new TestJob();
          const text = Buffer.from(pieces.join(''));
          const path = job.write('downloads/any', text);
          const seen: Buffer[] = [];
          let at = 0;
          for await (const { buffer, start, end, offset } of lineBlocks(path, {
            blockBytes,
            reuse,
          })) {
            expect(offset).toBe(at);
            expect(buffer[end - 1]).toBe(0x0a);
            seen.push(Buffer.from(buffer.subarray(start, end)));
            at += end - start;
          }
          const whole =
            text.at(-1) === 0x0a || text.length === 0
              ? text
              : Buffer.concat([text, Buffer.from('\n')]);
          expect(Buffer.concat(seen)).toEqual(whole);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('joins a line longer than its reserve', async () => {
    using job = new TestJob();
    const long = 'y'.repeat(200_000);
    const path = job.write('downloads/any', `a\n${long}\nb\n${long}`);
    const offsets: [number, number][] = [];
    for await (const { start, end, offset } of lineBlocks(path, { blockBytes: 50_000 })) {
      offsets.push([offset, end - start]);
    }
    expect(offsets).toEqual([
      [0, 2],
      [2, 200_001],
      [200_003, 2],
      [200_005, 200_001],
    ]);
  });
});

describe('IdTable', () => {
  test('tells ids apart that have the same hash', () => {
    const pairs = [
      ['costarring', 'liquid'],
      ['declinate', 'macallums'],
      ['altarage', 'zinke'],
    ];
    const table = new IdTable(8);
    const numbers = pairs.flat().map((id) => table.add(Buffer.from(id), 0, id.length));
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('numbers ids as a Map does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 4 }), { maxLength: 3000 }),
        (ids) => {
          const table = new IdTable(16);
          const map = new Map<string, number>();
          for (const id of ids) {
            const bytes = Buffer.from(`..${id}..`);
            const key = bytes.toString('latin1');
            if (!map.has(key)) map.set(key, map.size);
            expect(table.add(bytes, 2, bytes.length - 2)).toBe(map.get(key));
          }
          expect(table.size).toBe(map.size);
        },
      ),
      { numRuns: 50 },
    );
  });
});

function lineEnd(bytes: Buffer, line: number): number {
  let at = -1;
  for (let n = 0; n <= line; n++) at = bytes.indexOf('\n', at + 1);
  return at;
}

function answerOf(body: unknown): string | undefined {
  return (body as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
}
