// Held by `tsc -p tsconfig.test.json` alone: a stage that is wired wrongly must not compile. Each
// line below an expectation is an error, or the expectation itself is.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import {
  buildRequests,
  countTokens,
  type Job,
  joinResults,
  parseCsv,
  type ResultRow,
  runBatchJob,
  submitShards,
  type Target,
  writeResults,
  writeShards,
} from '../src/index.ts';

interface Review {
  id: string;
  text: string;
}

declare const bytes: Readable;
declare const job: Job;
declare const service: Target;

const messages = (review: Review) => [{ role: 'user' as const, content: review.text }];

/** Never called: only its types are looked at. */
export async function wiring(): Promise<void> {
  const build = buildRequests<Review>({ model: 'gpt-4o-batch', messages });
  const count = countTokens<Review>({ model: 'gpt-4o' });

  const plan = await pipeline(bytes, parseCsv<Review>(), build, count, writeShards(job));
  plan.shards satisfies number;

  // @ts-expect-error requests must be counted before they are sealed
  await pipeline(bytes, parseCsv<Review>(), build, writeShards(job));

  // @ts-expect-error records must become requests before their tokens are counted
  await pipeline(bytes, parseCsv<Review>(), count, writeShards(job));

  // @ts-expect-error these records have no text to build a request of
  await pipeline(bytes, parseCsv<{ id: string }>(), build, count, writeShards(job));

  // @ts-expect-error a review has no field `body`
  buildRequests<Review>({ model: 'm', messages: (r) => [{ role: 'user', content: r.body }] });

  // @ts-expect-error there is no such role
  buildRequests<Review>({ model: 'm', messages: (r) => [{ role: 'bot', content: r.text }] });

  // @ts-expect-error a request is said by messages, prompt or body
  buildRequests<Review>({ model: 'm' });

  for await (const row of joinResults<Review>(job, submitShards(job, service))) {
    row satisfies ResultRow<Review>;
    row.record.text satisfies string;
    // @ts-expect-error a response may be null
    row.response.body;
    // @ts-expect-error there is no such status
    row.status === 'pending';
  }

  await pipeline(joinResults<Review>(job, submitShards(job, service)), writeResults('out.ndjson'));

  const schema = z.object({ stars: z.int(), day: z.string().transform((day) => new Date(day)) });
  buildRequests<Review>({ model: 'm', prompt: 'x', schema, imageField: ['front', 'back'] });
  for await (const { output } of joinResults(job, submitShards(job, service), { schema })) {
    output?.day satisfies Date | undefined;
    // @ts-expect-error an output may be missing
    output.day;
  }

  // @ts-expect-error this schema speaks no Standard Schema
  joinResults(job, submitShards(job, service), { schema: { type: 'object' } });

  // @ts-expect-error rows are joined from a submission, not from a target
  joinResults<Review>(job, service);

  // @ts-expect-error a run needs to know where its requests go
  await runBatchJob({
    job: 'reviews.job',
    source: 'reviews.csv',
    request: { model: 'm', prompt: 'x' },
  });

  await runBatchJob<Review>({
    job: 'reviews.job',
    source: [{ id: '1', text: 'fine' }],
    request: { model: 'm', messages },
    service,
    // @ts-expect-error a sink is a name, a Writable or a Sink
    sink: 7,
  });
}
