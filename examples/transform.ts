// For those who pipe: every stage is a Transform as well.
//   node examples/transform.ts
import { createReadStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import {
  asTransform,
  buildRequests,
  countTokens,
  joinResults,
  openJob,
  parseCsv,
  submitShards,
  writeShards,
} from 'millrace';
import { openExampleService } from './service.ts';

interface Text {
  lang: string;
  text: string;
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const job = await openJob(join(folder, 'texts.job'));

const counted: Readable = createReadStream(new URL('data/texts.csv', import.meta.url))
  .pipe(asTransform(parseCsv<Text>()))
  .pipe(asTransform(buildRequests<Text>({ model, prompt: 'Which language is this? {{text}}' })))
  .pipe(asTransform(countTokens({ model: 'gpt-4o' })));

const plan = await writeShards(job)(counted);
await finished(counted);
console.log(`${plan.requests} requests, ${plan.tokens} tokens`);

let ok = 0;
for await (const row of joinResults<Text>(job, submitShards(job, service, { pollIntervalMs }))) {
  if (row.status === 'ok') ok += 1;
}
console.log(`${ok} of ${plan.records} rows are ok`);

await job.close();
await close();
