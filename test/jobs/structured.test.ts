import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { EmulatedRequest } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { joinResults } from '../../src/jobs/results.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { submitShards } from '../../src/jobs/submission.ts';
import { writeShards } from '../../src/jobs/write-shards.ts';
import { buildRequests } from '../../src/requests/build-requests.ts';
import { fromIterable } from '../../src/sources/iterable.ts';
import { countTokens } from '../../src/tokens/count-tokens.ts';
import { all } from '../requests/helpers.ts';
import { FAST, type Review, reviews, service, targetAt, temporaryDirectory } from './helpers.ts';

const Label = z.object({
  stars: z.int().refine((stars) => stars <= 5),
  day: z.string().transform((day) => new Date(day)),
});

/** Number 1 breaks the JSON Schema, 2 only the refinement, 3 is refused; the rest is fine. */
function answer({ custom_id: id }: EmulatedRequest) {
  if (id.endsWith('-1')) return '{"stars":"many","day":"2026-01-01"}';
  if (id.endsWith('-2')) return '{"stars":6,"day":"2026-01-01"}';
  const refusal = { role: 'assistant', content: null, refusal: 'I cannot' };
  if (id.endsWith('-3')) {
    return { body: { choices: [{ finish_reason: 'stop', message: refusal }] } };
  }
  return '{"stars":4,"day":"2026-01-02"}';
}

it('a run with a Zod schema sends its JSON Schema and judges by all that it says', async () => {
  const dir = await temporaryDirectory();
  const asked: string[] = [];
  const emulator = await service({
    answer(request) {
      asked.push(request.custom_id);
      expect(request.body.response_format).toMatchObject({
        json_schema: { strict: true, schema: { required: ['stars', 'day'] } },
      });
      return answer(request);
    },
  });
  const out = join(dir, 'out.csv');
  const run = (retryMismatch: boolean, job: string) =>
    runBatchJob<Review>({
      ...FAST,
      job: join(dir, job),
      source: reviews(5),
      request: { model: 'm', schema: Label, prompt: '{{text}}' },
      baseModel: 'gpt-4o',
      service: targetAt(emulator),
      sink: out,
      retryMismatch,
    });
  expect(await run(false, 'a.job')).toMatchObject({ state: 'finished', ok: 2, failed: 3 });
  expect(asked).toHaveLength(5);
  const [header, ...lines] = (await readFile(out, 'utf8')).split(/\r\n(?=r|$)/);
  expect(header).toBe(
    'id,text,stars,day,content,finish_reason,status,error,prompt_tokens,completion_tokens',
  );
  expect(lines[0]).toContain(',4,2026-01-02,"{""stars"":4');
  // What was paid for is kept, whether or not it is of use.
  expect(lines[1]).toContain('"{""stars"":""many""');
  expect(lines[2]).toContain('"{""stars"":6');
  expect(lines[3]).toContain(',I cannot,stop,failed,');
  expect(lines.map((line) => /schema_mismatch|refusal|,ok,/.exec(line)?.[0])).toEqual([
    ',ok,',
    'schema_mismatch',
    'schema_mismatch',
    'refusal',
    ',ok,',
    undefined,
  ]);

  expect(await run(true, 'b.job')).toMatchObject({ state: 'finished', ok: 2, failed: 3 });
  expect(asked).toHaveLength(5 + 5 + 2 * 3);
});

it('a pipeline with a schema has typed outputs', async () => {
  const dir = await temporaryDirectory();
  const emulator = await service({ answer });
  await using job = await openJob(join(dir, 'p.job'));
  await pipeline(
    fromIterable(reviews(3)),
    buildRequests<Review>({
      model: 'm',
      schema: Label,
      messages: ({ text }) => [{ role: 'user', content: text }],
    }),
    countTokens({ model: 'gpt-4o' }),
    writeShards(job),
  );
  const submission = submitShards(job, targetAt(emulator), FAST);
  const rows = await all(joinResults(job, submission, { schema: Label }));
  const [first, second, third] = rows;
  expectTypeOf(first?.output).toEqualTypeOf<{ stars: number; day: Date } | undefined>();
  expect(first?.output?.day).toEqual(new Date('2026-01-02'));
  expect(second).toMatchObject({ status: 'failed', error: { code: 'schema_mismatch' } });
  // The submission knew the JSON Schema only; the refinement judges here.
  expect(third).toMatchObject({ status: 'failed', error: { code: 'schema_mismatch' } });
  expect(third).not.toHaveProperty('output');
});
