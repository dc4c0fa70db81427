// The whole way as two pipelines, cut at the one durable boundary: shards on disk.
//   node examples/pipeline.ts
import { createReadStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  buildRequests,
  countTokens,
  joinResults,
  openJob,
  parseCsv,
  submitShards,
  writeResults,
  writeShards,
} from 'millrace';
import { openExampleService } from './service.ts';

interface Text {
  id: string;
  lang: string;
  text: string;
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const job = await openJob(join(folder, 'texts.job'));

const plan = await pipeline(
  createReadStream(new URL('data/texts.csv', import.meta.url)),
  parseCsv<Text>(),
  buildRequests<Text>({
    model,
    messages: (record) => [{ role: 'user', content: `Label in one word: ${record.text}` }],
  }),
  countTokens({ model: 'gpt-4o' }),
  writeShards(job, { maxRequests: 1000 }),
);
console.log(`${plan.requests} requests in ${plan.shards} shards, ${plan.tokens} tokens`);

const out = join(folder, 'labels.csv');
const written = await pipeline(
  joinResults<Text>(job, submitShards(job, service, { pollIntervalMs })),
  writeResults(out),
);
console.log(`${written.ok} of ${written.rows} rows are ok: ${out}`);

await job.close();
await close();
