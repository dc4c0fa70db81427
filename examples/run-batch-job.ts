// All of it in one call, with a template that the job remembers and worker threads can load.
//   node examples/run-batch-job.ts
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBatchJob } from 'millrace';
import { openExampleService } from './service.ts';

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const out = join(folder, 'labels.ndjson.gz');

const status = await runBatchJob({
  job: join(folder, 'texts.job'),
  source: fileURLToPath(new URL('data/texts.csv', import.meta.url)),
  request: {
    kind: 'prompt',
    model,
    system: 'You label texts by topic, in one word.',
    prompt: '{{title}}: {{text}}',
    parameters: { temperature: 0, max_tokens: 20 },
  },
  baseModel: 'gpt-4o',
  limits: { maxRequests: 500 },
  service,
  pollIntervalMs,
  sink: out,
  onProgress: ({ ok, records }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${ok} of ${records} rows `);
  },
});
console.log(
  `${status.state}: ${status.ok} ok, ${status.failed} failed, ${status.rejected} rejected`,
);
console.log(`${status.tokens.actual} input tokens in ${status.batches} batches: ${out}`);

await close();
