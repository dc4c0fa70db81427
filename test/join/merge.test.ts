import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrivalOrder, mergeResults, type ResultFile } from '../../src/join/merge.ts';
import { readRows } from '../../src/join/result-file.ts';
import { lines, TestJob } from './helpers.ts';

function row(ordinal: number, text = ''): string {
  return JSON.stringify({ ordinal, custom_id: `j-${ordinal}`, status: 'ok', record: text });
}

async function collect(batches: AsyncIterable<Buffer[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of batches) for (const line of batch) found.push(line.toString());
  return found;
}

function writeFile(job: TestJob, name: string, ordinals: number[], text = ''): ResultFile {
  return {
    path: job.write(`results/${name}.ndjson`, lines(ordinals.map((n) => row(n, text)))),
    firstOrdinal: ordinals[0] ?? 0,
    lastOrdinal: ordinals.at(-1) ?? 0,
    rows: ordinals.length,
  };
}

describe('mergeResults', () => {
  test('gives the rows of any split into files by ordinal', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ skip: fc.nat(3), file: fc.nat(6) }), { maxLength: 1500 }),
        async (plan) => {
          using job = new TestJob();
          const files: number[][] = Array.from({ length: 7 }, () => []);
          const all: number[] = [];
          let ordinal = 0;
          for (const { skip, file } of plan) {
            ordinal += skip;
            files[file]?.push(ordinal);
            all.push(ordinal++);
          }
          const written = files
            .filter((ordinals) => ordinals.length > 0)
            .map((ordinals, n) => writeFile(job, `f${n}`, ordinals));
          expect(await collect(mergeResults(written))).toEqual(all.map((n) => row(n)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('reads on across blocks of a file', async () => {
    using job = new TestJob();
    const text = 'x'.repeat(100_000);
    const even = writeFile(job, 'even', [0, 2, 4, 6, 8, 10, 12, 14], text);
    const odd = writeFile(job, 'odd', [1, 3, 5, 7, 9, 11, 13, 15], text);
    const found = await collect(mergeResults([odd, even]));
    expect(found).toEqual(Array.from({ length: 16 }, (_, n) => row(n, text)));
  });

  test('opens a file only when its range begins', async () => {
    using job = new TestJob();
    const first = writeFile(
      job,
      'first',
      Array.from({ length: 2000 }, (_, n) => n),
    );
    const second = writeFile(job, 'second', [5000, 5001]);
    const merged = mergeResults([second, first]);
    await merged.next();
    // Replaced before its turn: only who opens it late sees the new content.
    job.write('results/second.ndjson', lines([row(5000, 'late'), row(5001)]));
    const rest = await collect(merged);
    expect(rest.at(-2)).toBe(row(5000, 'late'));
  });

  test('can be left early', async () => {
    using job = new TestJob();
    const merged = mergeResults([writeFile(job, 'a', [0, 2]), writeFile(job, 'b', [1, 3])]);
    for await (const batch of merged) {
      expect(batch.length).toBeGreaterThan(0);
      break;
    }
  });

  test('refuses an ordinal that comes twice, and one out of order', async () => {
    using job = new TestJob();
    const a = writeFile(job, 'a', [0, 1, 2]);
    const b = writeFile(job, 'b', [2, 3]);
    await expect(collect(mergeResults([a, b]))).rejects.toThrow(/ordinal 2 comes a second time/);
    const c = writeFile(job, 'c', [0, 2, 1]);
    await expect(collect(mergeResults([c]))).rejects.toMatchObject({ code: 'damaged_result' });
  });

  test('counts the rows of a file whose number is known', async () => {
    using job = new TestJob();
    const file = { ...writeFile(job, 'a', [0, 1]), rows: 3 };
    await expect(collect(mergeResults([file]))).rejects.toThrow(/2 rows where 3 were written/);
    const gone = { path: `${job.directory}/results/gone`, firstOrdinal: 0, lastOrdinal: 9 };
    await expect(collect(mergeResults([{ ...gone, rows: 1 }]))).rejects.toThrow(/0 rows where 1/);
    expect(await collect(mergeResults([gone]))).toEqual([]);
  });

  test('refuses a line that does not start with its ordinal', async () => {
    using job = new TestJob();
    const path = job.write('results/x.ndjson', '{"custom_id":"a"}\n');
    const merged = mergeResults([{ path, firstOrdinal: 0, lastOrdinal: 0 }]);
    await expect(collect(merged)).rejects.toThrow(/does not start with its ordinal/);
  });
});

describe('arrivalOrder', () => {
  test('gives the files one after another', async () => {
    using job = new TestJob();
    const b = writeFile(job, 'b', [5, 6]).path;
    const a = writeFile(job, 'a', [0, 9]).path;
    expect(await collect(arrivalOrder([b, a]))).toEqual([5, 6, 0, 9].map((n) => row(n)));
  });
});

describe('readRows', () => {
  test('parses the rows of a file', async () => {
    using job = new TestJob();
    const { path } = writeFile(job, 'a', [3, 4], 'é\u2028');
    const records: unknown[] = [];
    for await (const { ordinal, record } of readRows<string>(path)) records.push([ordinal, record]);
    expect(records).toEqual([
      [3, 'é\u2028'],
      [4, 'é\u2028'],
    ]);
  });

  test('names the line of a damaged file and not its text', async () => {
    using job = new TestJob();
    const path = job.write('results/x.ndjson', `${row(0)}\n{"ordinal":1,"secret\n`);
    const reading = (async () => {
      for await (const _ of readRows(path));
    })();
    await expect(reading).rejects.toThrow(/x\.ndjson line 2: not JSON/);
    await expect(reading).rejects.not.toThrow(/secret/);
  });
});
