import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerReader } from '../../src/join/answer-reader.ts';
import { AnswerWindow } from '../../src/join/answer-window.ts';
import { RowIndex } from '../../src/join/row-index.ts';
import { TestJob } from './helpers.ts';

const HEAD = {
  ...({ version: 1, batch: 'b', at: '', prefix: 'job-' } as const),
  ...{ rows: 0, deferred: 0, recordBytes: 0, outputBytes: 0, errorBytes: 0 },
};

test('gives each response, however many fit into the room at a time', async () => {
  const answer = fc.record({ bytes: fc.nat(40), row: fc.nat(), missing: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(answer, { minLength: 1, maxLength: 60 }),
      fc.constantFrom(1, 20, 64, 300, 5000),
      fc.nat(60),
      async (answers, roomBytes, inOutput) => {
        using job = new TestJob();
        const rows = answers.length;
        const order = answers
          .map((_, row) => row)
          .sort((a, b) => answers[a]!.row - answers[b]!.row);
        const [starts, lengths] = [new Float64Array(rows), new Uint32Array(rows)];
        const files = ['', ''];
        for (const [n, row] of order.entries()) {
          const text = `<${String(row).repeat(answers[row]!.bytes)}>`;
          starts[row] = files.join('').length;
          lengths[row] = answers[row]!.missing ? 0 : text.length;
          files[n < inOutput ? 0 : 1] += text;
        }
        const reader = await AnswerReader.open({
          output: job.output(files[0]!),
          error: job.errors(files[1]!),
        });
        const index = new RowIndex(HEAD, starts, lengths, new Uint32Array(0), Buffer.alloc(0));
        const window = new AnswerWindow(reader, index, Buffer.alloc(roomBytes));
        for (let row = 0; row < rows; row++) {
          const length = lengths[row]!;
          if (length === 0) continue;
          const found = Buffer.alloc(length + 2, '.');
          window.read(row, found, 1);
          const text = `<${String(row).repeat(answers[row]!.bytes)}>`;
          expect([row, found.toString()]).toEqual([row, `.${text}.`]);
        }
        await reader.close();
      },
    ),
    { numRuns: 200 },
  );
});
