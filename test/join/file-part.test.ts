import { randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FilePart } from '../../src/join/file-part.ts';
import { failedLine, lines, okLine, onDisk, plainRows, TestJob } from './helpers.ts';

const FILE_BYTES = 5_000_001;
const bytes = randomFillSync(Buffer.alloc(FILE_BYTES));

describe.each(['in the cache', 'on the disk'])('a file %s', (where) => {
  onDisk(where === 'on the disk');

  test('gives the bytes that are asked for, near or far, and more of them', async () => {
    using job = new TestJob();
    const path = job.write('downloads/any', bytes);
    const step = fc.record({
      by: fc.oneof(
        { weight: 6, arbitrary: fc.nat(70_000) },
        { weight: 2, arbitrary: fc.nat(900_000) },
        { weight: 1, arbitrary: fc.integer({ min: -900_000, max: 0 }) },
      ),
      bytes: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 400_000 })),
      lead: fc.constantFrom(0, 1, 24 * 1024),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const part = await FilePart.open(path);
        let offset = 0;
        for (const { by, bytes: wanted, lead } of steps) {
          offset = Math.max(0, offset + by);
          const end = Math.min(FILE_BYTES, offset + wanted);
          let there = true;
          while (there && part.to < end) {
            const before = part.has(offset) ? part.to : 0;
            there = await part.reach(offset, lead);
            if (there) expect(part.has(offset) && part.to > before).toBe(true);
          }
          if (!part.has(offset)) there = await part.reach(offset, lead);
          expect(there).toBe(offset < FILE_BYTES);
          const { buffer, origin, from, to } = part;
          expect(buffer.subarray(from - origin, to - origin).equals(bytes.subarray(from, to))).toBe(
            true,
          );
        }
        await part.close();
      }),
      { numRuns: 60 },
    );
  });

  test('says so where it ends', async () => {
    using job = new TestJob();
    const part = await FilePart.open(job.write('downloads/any', 'abc'));
    for (const offset of [2, 3, 2000, 2e6]) {
      expect(await part.reach(offset)).toBe(offset < 3);
    }
    await part.close();
  });
});

describe('a shard on the disk', () => {
  /** Rows of very different lengths, of which every `every`th has no good answer. */
  async function joined(every: number, own: boolean): Promise<Record<string, string>> {
    using job = new TestJob();
    const rows = plainRows(4000).map((row) => {
      const length = row.ordinal % 997 === 5 ? 150_000 : (row.ordinal * 7919) % 1500;
      return { ...row, record: { text: 'x'.repeat(length) } };
    });
    job.seal(rows);
    const failed = ({ ordinal }: { ordinal: number }) => ordinal % every === every - 1;
    const answers = {
      output: job.output(lines(rows.filter((row) => !failed(row)).map(({ id }) => okLine(id)))),
      error: job.errors(
        lines(
          rows.filter(failed).map(({ id, ordinal }) => failedLine(id, ordinal % 2 ? 400 : 500)),
        ),
      ),
    };
    const ordinals = own ? undefined : { prefix: 'job-', first: 0, rows: rows.length };
    await job.join(answers, { deferFrom: 0, ordinals });
    return job.files();
  }

  const slowly: Record<string, string>[] = [];
  const plans = [1, 3, 90, 1500].flatMap((every) => [
    { every, own: false },
    { every, own: true },
  ]);

  describe('read so', () => {
    onDisk();
    test.each(plans)('is joined: $every, $own', async ({ every, own }) => {
      slowly.push(await joined(every, own));
    });
  });

  test('gives the same files as one in the cache', async () => {
    expect(slowly.length).toBe(plans.length);
    for (const [n, { every, own }] of plans.entries()) {
      const quickly = await joined(every, own);
      expect(Object.keys(quickly)).toContain('shards/p0000-0000.failed.requests.jsonl');
      for (const [name, text] of Object.entries(quickly))
        expect(slowly[n]![name] === text).toBe(true);
      expect(Object.keys(slowly[n]!)).toEqual(Object.keys(quickly));
    }
  });
});
