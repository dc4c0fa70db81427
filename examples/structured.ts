// Answers by a schema: what the model says comes back parsed, checked and typed.
//   node examples/structured.ts
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  buildRequests,
  countTokens,
  fromIterable,
  joinResults,
  openJob,
  submitShards,
  writeShards,
} from 'millrace';
import { z } from 'zod';
import { openExampleService } from './service.ts';

const Ticket = z.object({
  team: z.enum(['billing', 'shipping', 'returns']),
  urgency: z.int().min(1).max(5),
  due: z.iso.date().transform((day) => new Date(day)),
});

const mails = [
  { from: 'ann', text: 'My parcel has been in Leipzig for nine days.' },
  { from: 'bo', text: 'You charged me twice!' },
  { from: 'cy', text: 'How do I send these shoes back?' },
];

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const job = await openJob(join(folder, 'mails.job'));

await pipeline(
  fromIterable(mails),
  buildRequests<(typeof mails)[number]>({
    model,
    schema: Ticket,
    messages: ({ text }) => [{ role: 'user', content: `Make a ticket of this mail: ${text}` }],
  }),
  countTokens({ model: 'gpt-4o' }),
  writeShards(job),
);

const submission = submitShards(job, service, { pollIntervalMs, schema: Ticket });
let tickets = 0;
for await (const { output, error } of joinResults(job, submission, { schema: Ticket })) {
  if (output === undefined) {
    console.log(`no ticket: ${error?.code}`);
    continue;
  }
  tickets += 1;
  console.log(`${output.team}, urgency ${output.urgency}, due ${output.due.toDateString()}`);
}
console.log(`${tickets} of ${mails.length} mails became a ticket`);

await job.close();
await close();
