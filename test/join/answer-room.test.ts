import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerReader } from '../../src/join/answer-reader.ts';
import { AnswerRoom } from '../../src/join/answer-room.ts';
import { RowIndex } from '../../src/join/row-index.ts';
import { RowKernel } from '../../src/join/row-kernel.ts';
import { NO_LINE, ShardRow } from '../../src/join/shard-rows.ts';
import { TestJob } from './helpers.ts';

const HEAD = {
  ...({ version: 1, batch: 'b', at: '', prefix: 'job-' } as const),
  ...{ rows: 0, deferred: 0, recordBytes: 0, outputBytes: 0, errorBytes: 0 },
};

const RECORD = '{"ordinal":0,"record":{}}';

test('brings each response, however many fit into the room at a time', async () => {
  // Of many long ones few fit at a time, so that they are read one by one.
  const bytes = fc.oneof(fc.nat(40), fc.nat(40), fc.constantFrom(700, 2000));
  const answer = fc.record({ bytes, row: fc.nat(), missing: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(answer, { minLength: 1, maxLength: 60 }),
      fc.constantFrom(1, 20, 64, 300, 5000),
      fc.constantFrom(16, 64, 1024),
      fc.nat(60),
      async (answers, roomBytes, readBytes, inOutput) => {
        using job = new TestJob();
        const rows = answers.length;
        const text = (row: number) => `<${String(row).repeat(answers[row]!.bytes)}>`;
        const order = answers
          .map((_, row) => row)
          .sort((a, b) => answers[a]!.row - answers[b]!.row);
        const [starts, lengths] = [new Float64Array(rows), new Uint32Array(rows)];
        const files = ['', ''];
        for (const [n, row] of order.entries()) {
          starts[row] = files.join('').length;
          lengths[row] = answers[row]!.missing ? 0 : text(row).length;
          files[n < inOutput ? 0 : 1] += text(row);
        }
        const reader = await AnswerReader.open({
          output: job.output(files[0]!),
          error: job.errors(files[1]!),
        });
        const head = { ...HEAD, rows };
        const index = new RowIndex(head, starts, lengths, new Uint32Array(0), Buffer.alloc(0));
        const sizes = { roomBytes, readBytes, fullBytes: 1 << 10, blockBytes: 1 << 10 };
        const kernel = new RowKernel(index, reader.bytes, Buffer.from('}'), sizes);
        const room = new AnswerRoom(reader, kernel);
        const line = { buffer: Buffer.from(RECORD), start: 0, end: RECORD.length };
        for (let row = 0; row < rows; row++) {
          if (row >= kernel.rowTo) await room.fill();
          const place = kernel.placeOf(row);
          const expected = lengths[row] === 0 || lengths[row]! > roomBytes ? null : text(row);
          const found =
            place === null ? null : kernel.room.toString('latin1', place, place + lengths[row]!);
          expect([row, found]).toEqual([row, expected]);
          const record = new ShardRow(NO_LINE, line);
          kernel.skipRow(record, false);
        }
        await reader.close();
      },
    ),
    { numRuns: 200 },
  );
});
