// Your own loop at both ends: records from memory, answers one by one.
//   node examples/for-await.ts
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
import { openExampleService } from './service.ts';

interface Ticket {
  id: number;
  subject: string;
}

const tickets: Ticket[] = [
  { id: 1, subject: 'The invoice of March is wrong' },
  { id: 2, subject: 'Cannot log in since yesterday' },
  { id: 3, subject: 'How do I export my data?' },
];

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const { service, model, pollIntervalMs, close } = await openExampleService();
const job = await openJob(join(folder, 'tickets.job'));

await pipeline(
  fromIterable(tickets),
  buildRequests<Ticket>({
    model,
    prompt: 'Which team should answer "{{subject}}"?',
    customId: (ticket) => `ticket-${ticket.id}`,
  }),
  countTokens({ model: 'gpt-4o' }),
  writeShards(job),
);

// Every final row comes, again after a restart: `ordinal` is the key that keeps a sink idempotent.
const teams = new Map<number, unknown>();
for await (const row of joinResults<Ticket>(job, submitShards(job, service, { pollIntervalMs }))) {
  if (row.status === 'ok') teams.set(row.ordinal, row.response?.body);
  else console.error(`${row.custom_id} ${row.status}: ${row.error?.code}`);
}
console.log(`${teams.size} of ${tickets.length} tickets have a team`);

await job.close();
await close();
