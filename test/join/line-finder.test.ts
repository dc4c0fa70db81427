import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FilePart } from '../../src/join/file-part.ts';
import { LineFinder } from '../../src/join/line-finder.ts';
import { onDisk, TestJob } from './helpers.ts';

const PREFIX = '{"n":';

/** What is found of the wanted lines in a file with this text; null for what is not. */
async function found(
  text: string,
  first: number,
  lines: number,
  wanted: readonly number[],
): Promise<(string | null)[]> {
  using job = new TestJob();
  const part = await FilePart.open(job.write('downloads/any', text));
  const finder = new LineFinder({ part, prefix: Buffer.from(PREFIX), first, lines });
  const result: (string | null)[] = [];
  for (const number of wanted) {
    const there = await finder.find(number);
    result.push(there ? finder.buffer.toString('utf8', finder.start, finder.end) : null);
  }
  await part.close();
  return result;
}

describe.each(['in the cache', 'on the disk'])('of a file %s', (where) => {
  onDisk(where === 'on the disk');

  test('finds each line that is asked for, whatever lies between', async () => {
    const length = fc.oneof(
      { weight: 20, arbitrary: fc.nat(300) },
      { weight: 10, arbitrary: fc.nat(20_000) },
      { weight: 1, arbitrary: fc.nat(200_000) },
    );
    const line = fc.record({ length, wanted: fc.nat(9), extra: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 150 }),
        fc.constantFrom(0, 7, 99_990, 1e9),
        fc.nat(9),
        async (plan, first, rarity) => {
          const lines = plan.map(
            ({ length: size }, n) => `${PREFIX}${first + n},"${'x'.repeat(size)}"}`,
          );
          const wanted = plan.flatMap((one, n) => (one.wanted >= rarity ? [first + n] : []));
          const text = lines.map((each) => `${each}\n`).join('');
          const result = await found(text, first, lines.length, wanted);
          expect(result.length).toBe(wanted.length);
          for (const [n, number] of wanted.entries()) {
            expect(result[n] === lines[number - first]).toBe(true);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('says so when a line is missing, cut, or another one', async () => {
    const lines = Array.from(
      { length: 3000 },
      (_, n) => `${PREFIX}${n},"${'x'.repeat(n % 90)}"}\n`,
    );
    const wanted = [5, 1500, 2999];
    const all = wanted.map((n) => lines[n]!.trimEnd());
    expect(await found(lines.join(''), 0, 3000, wanted)).toEqual(all);
    expect(await found(lines.slice(0, 2999).join(''), 0, 3000, wanted)).toEqual([
      all[0],
      all[1],
      null,
    ]);
    expect(await found(lines.join('').slice(0, -1), 0, 3000, wanted)).toEqual([
      all[0],
      all[1],
      null,
    ]);
    expect((await found(lines.toSpliced(1500, 1).join(''), 0, 3000, wanted))[1]).toBeNull();
    expect((await found(lines.with(1499, 'x\n').join(''), 0, 3000, [1500]))[0]).toBeNull();
    expect(await found('', 0, 3000, [0])).toEqual([null]);
  });
});
