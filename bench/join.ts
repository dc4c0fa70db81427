// What does it cost to put the answers of many batches beside the records that asked, in the order of
// the source, beside a Map, DuckDB, sort + join, and `cat` of the same bytes to a file?

import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { queryRow } from './lib/duckdb.ts';
import { type Answer, ask, type Contender, type Task } from './lib/harness.ts';
import { joinFolder, listed } from './lib/join-data.ts';
import { type Goal, joinJob } from './lib/joined.ts';

/** Joins and writes as users have it. */
async function millrace({ path, scratch }: Task, goal: Goal, own = false): Promise<Answer> {
  const { rows, ok } = await joinJob(path, goal, join(scratch, 'out.ndjson'), own);
  return { rows, ok };
}

/** As one writes it: all answers in a Map, then the records one by one. */
async function plainMap({ path: folder, scratch }: Task): Promise<Answer> {
  const answers = new Map<string, { response: { status_code: number } | null }>();
  for (const path of listed(folder, 'downloads', 'jsonl')) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (line === '') continue;
      const answer = JSON.parse(line);
      answers.set(answer.custom_id, answer);
    }
  }
  const file = createWriteStream(join(scratch, 'out.ndjson'), { highWaterMark: 1 << 20 });
  let rows = 0;
  let ok = 0;
  for (const path of listed(folder, 'shards', 'records.ndjson')) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const { ordinal, record } = JSON.parse(line);
      const answer = answers.get(`bench-${ordinal}`);
      const status = answer?.response?.status_code === 200 ? 'ok' : 'failed';
      if (status === 'ok') ok++;
      rows++;
      const row = { ordinal, status, record, response: answer?.response ?? null };
      if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, 'drain');
    }
  }
  file.end();
  await once(file, 'finish');
  return { rows, ok };
}

async function duckdb({ path: folder, scratch }: Task): Promise<Answer> {
  const out = join(scratch, 'out.ndjson');
  const columns = "columns={custom_id: 'VARCHAR', response: 'JSON', error: 'JSON'}";
  const [rows] = await queryRow(
    `copy (select r.ordinal, r.record, a.response from
      read_json('${folder}/shards/*.records.ndjson', columns={ordinal: 'BIGINT', record: 'JSON'}) r
      left join read_json('${folder}/downloads/*.jsonl', ${columns}) a
      on a.custom_id = 'bench-' || r.ordinal order by r.ordinal) to '${out}' (format json)`,
  );
  return { rows: Number(rows) };
}

const CAT = 'cat "$INPUT"/shards/*.records.ndjson "$INPUT"/downloads/*.jsonl > "$SCRATCH/cat"';

const ours = (name: string, run: Contender['run']): Contender => ({
  name,
  ours: true,
  ...(run ? { run } : {}),
});

await ask({
  name: 'join',
  question: 'answers beside their records',
  input(size = '200m') {
    joinFolder(size, true);
    return joinFolder(size);
  },
  contenders: [
    ours('millrace, to one file in source order', (task) => millrace(task, 'durable')),
    ours('millrace, the same without its sync', (task) => millrace(task, 'written')),
    ours('millrace, only what the collect step does', (task) => millrace(task, 'joined')),
    {
      name: "millrace, ids of the user's own",
      differs: 'its ids are longer, so it has fewer rows',
      reads: ({ path }) => `${path}-own`,
      run: (task) => millrace({ ...task, path: `${task.path}-own` }, 'durable', true),
    },
    { name: 'a Map', run: plainMap },
    { name: 'DuckDB, 2 threads', run: duckdb },
    { name: 'cat to a file', shell: CAT },
    { name: 'cat to a file, and its sync', shell: `${CAT}; sync "$SCRATCH/cat"` },
  ],
});
