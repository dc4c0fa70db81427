// A stage of an ETL job: rows come from a generator of your own, are filtered on the way, are
// labelled in batch, and go on into a generator of your own.
//   node examples/etl.ts
import { createReadStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  buildRequests,
  countTokens,
  joinResults,
  mapRecords,
  openJob,
  parseCsv,
  type ResultRow,
  submitShards,
  writeShards,
} from 'millrace';
import { openExampleService } from './service.ts';

interface Text {
  id: string;
  lang: string;
  text: string;
}

/** Drops what is not English: mapRecords leaves out what it is given undefined for. */
const english = mapRecords((row: Text) => (row.lang === 'en' ? row : undefined));

/** What the rest of the job wants: plain rows with a label. */
async function* labelled(rows: AsyncIterable<ResultRow<Text>>) {
  for await (const { ordinal, status, record, response } of rows) {
    if (status !== 'ok') continue;
    const body = response?.body as { choices: { message: { content: string } }[] };
    yield { ordinal, id: record.id, label: body.choices[0]?.message.content };
  }
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const job = await openJob(join(folder, 'etl.job'));

const plan = await pipeline(
  createReadStream(new URL('data/texts.csv', import.meta.url)),
  parseCsv<Text>(),
  english,
  async function* (items) {
    // buildRequests and countTokens side by side: pipeline() is typed for four stages between ends.
    const requests = buildRequests<Text>({ model, prompt: 'Label: {{text}}' })(items);
    yield* countTokens<Text>({ model: 'gpt-4o' })(requests);
  },
  writeShards(job, { version: '1' }),
);

let rows = 0;
const batches = submitShards(job, service, { pollIntervalMs });
for await (const row of labelled(joinResults<Text>(job, batches))) {
  if (row.label !== undefined) rows += 1;
}
console.log(`${rows} of ${plan.records} English rows have a label`);

await job.close();
await close();
