// What does it cost to put the answers of many batches beside the records that asked, in the order of
// the source, beside a Map, DuckDB, sort + join, and `cat` of the same bytes to a file?

import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom } from '../src/core/clock.ts';
import type { ResultFile } from '../src/join/merge.ts';
import type { LineSink } from '../src/sinks/line-sink.ts';
import { compiled } from './lib/build.ts';
import { DATA, parseSize, records } from './lib/data.ts';
import { queryRow } from './lib/duckdb.ts';
import { type Answer, ask, type Contender, type Input } from './lib/harness.ts';

const SHARD_ROWS = 25_000;
const AT = '2026-01-01T00:00:00.000Z';

/**
 * A job's shards and the outputs of their batches: 0.5 % of the rows have no answer, 0.2 % an error.
 * Ids are `<job>-<ordinal>`, or the user's own.
 */
async function make(
  folder: string,
  bytes: number,
  own: boolean,
): Promise<{ name: string; rows: number }[]> {
  const random = seededRandom(3);
  mkdirSync(join(folder, 'shards'), { recursive: true });
  mkdirSync(join(folder, 'downloads'));
  let written = 0;
  let ordinal = 0;
  const shards: { name: string; rows: number }[] = [];
  const source = records(3);
  while (written < bytes) {
    const name = `p0000-${String(shards.length).padStart(4, '0')}`;
    const requests: string[] = [];
    const lines: string[] = [];
    const output: string[] = [];
    const errors: string[] = [];
    for (let n = 0; n < SHARD_ROWS && written < bytes; n++, ordinal++) {
      const { text, ...rest } = source.next().value!;
      const id = own ? `user/${ordinal.toString(36)}/${rest.created}` : `bench-${ordinal}`;
      const content = `Label: ${text}`;
      const body = { model: 'gpt-4o', messages: [{ role: 'user', content }] };
      requests.push(
        JSON.stringify({ custom_id: id, method: 'POST', url: '/chat/completions', body }),
      );
      lines.push(JSON.stringify({ ordinal, record: { ...rest, text } }));
      const dice = random();
      if (dice >= 0.005) {
        const answer = answerOf(id, text, dice > 0.998);
        (dice > 0.998 ? errors : output).push(answer);
        written += answer.length;
      }
      written += lines.at(-1)!.length;
    }
    for (let i = output.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [output[i], output[j]] = [output[j]!, output[i]!];
    }
    writeFileSync(join(folder, 'shards', `${name}.requests.jsonl`), `${requests.join('\n')}\n`);
    writeFileSync(join(folder, 'shards', `${name}.records.ndjson`), `${lines.join('\n')}\n`);
    writeFileSync(join(folder, 'downloads', `${name}.output.jsonl`), `${output.join('\n')}\n`);
    writeFileSync(join(folder, 'downloads', `${name}.error.jsonl`), `${errors.join('\n')}\n`);
    shards.push({ name, rows: lines.length });
  }
  return shards;
}

function answerOf(id: string, text: string, failed: boolean): string {
  const content = text.slice(0, 600).toWellFormed();
  const message = { role: 'assistant', content, refusal: null };
  const usage = { prompt_tokens: 200, completion_tokens: 90, total_tokens: 290 };
  const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }];
  const body = failed
    ? { error: { code: 'content_filter', message: 'The response was filtered', type: null } }
    : { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o', choices, usage };
  const response = { status_code: failed ? 400 : 200, request_id: 'r-1', body };
  return JSON.stringify({ id: 'batch_req_1', custom_id: id, response, error: null });
}

async function folderFor(size: string, own: boolean): Promise<Input> {
  const folder = join(DATA, `join-${size}${own ? '-own' : ''}`);
  if (!existsSync(join(folder, 'done'))) {
    rmSync(folder, { recursive: true, force: true });
    const shards = await make(folder, parseSize(size), own);
    writeFileSync(join(folder, 'done'), JSON.stringify(shards));
  }
  const files = [
    ...listed(folder, 'shards', 'records.ndjson'),
    ...listed(folder, 'downloads', 'jsonl'),
  ];
  return { path: folder, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
}

function listed(folder: string, part: string, end: string): string[] {
  const names = readdirSync(join(folder, part)).filter((name) => name.endsWith(end));
  return names.sort().map((name) => join(folder, part, name));
}

/** The shards by name, and how many rows each has. */
function shardsOf(folder: string): { name: string; rows: number }[] {
  return JSON.parse(readFileSync(join(folder, 'done'), 'utf8'));
}

/** What a run does: `joined` only judges the answers, `durable` puts the rows into a file as users get it. */
type Goal = 'joined' | 'written' | 'durable';

/**
 * Every shard joined as the collect step does it, and the rows written to one file in the order of
 * the source as `--out` does it.
 */
async function millrace(folder: string, goal: Goal, own = false): Promise<Answer> {
  const { joinShard } =
    await compiled<typeof import('../src/join/join-shard.ts')>('join/join-shard');
  mkdirSync(join(folder, 'results'), { recursive: true });
  let ok = 0;
  let rows = 0;
  const files: ResultFile[] = [];
  for (const { name, rows: inShard } of shardsOf(folder)) {
    const download = (which: string) => join(folder, 'downloads', `${name}.${which}.jsonl`);
    const summary = await joinShard({
      directory: folder,
      name,
      batch: 'batch_1',
      answers: { output: download('output'), error: download('error') },
      maxAttempts: 1,
      at: AT,
      deferFrom: 0,
      ordinals: own ? undefined : { prefix: 'bench-', first: rows, rows: inShard },
    });
    ok += summary.ok;
    const first = rows;
    rows += summary.rows;
    const path = join(folder, 'results', `${name}.ndjson`);
    files.push({ path, firstOrdinal: first, lastOrdinal: rows - 1, rows: summary.rows });
  }
  if (goal !== 'joined') {
    const { copyRows } =
      await compiled<typeof import('../src/jobs/copy-rows.ts')>('jobs/copy-rows');
    const { createSink } =
      await compiled<typeof import('../src/sinks/create-sink.ts')>('sinks/create-sink');
    const out = join(DATA, `join-out-${process.pid}.ndjson`);
    const sink = goal === 'durable' ? createSink(out) : plainFile(out);
    const copied = await copyRows(files, sink, {});
    rmSync(out);
    if (copied !== rows) throw new Error(`${copied} rows came out of ${rows}`);
  }
  rmSync(join(folder, 'results'), { recursive: true });
  for (const kept of listed(folder, 'shards', '').filter((path) => path.includes('.failed.')))
    rmSync(kept);
  return { rows, ok };
}

/** A sink that leaves its file to the page cache, as cat does. */
function plainFile(path: string): LineSink {
  const fd = openSync(path, 'w');
  const write = async (lines: Uint8Array) => {
    for (let at = 0; at < lines.length; ) at += writeSync(fd, lines, at);
  };
  const close = async () => closeSync(fd);
  return { write: () => undefined, writeLine: write, writeLines: write, close, abort: close };
}

/** As one writes it: all answers in a Map, then the records one by one. */
async function plainMap(folder: string): Promise<Answer> {
  const answers = new Map<string, { response: { status_code: number } | null }>();
  for (const path of listed(folder, 'downloads', 'jsonl')) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (line === '') continue;
      const answer = JSON.parse(line);
      answers.set(answer.custom_id, answer);
    }
  }
  const out = join(DATA, `join-map-${process.pid}.ndjson`);
  const file = createWriteStream(out, { highWaterMark: 1 << 20 });
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
  rmSync(out);
  return { rows, ok };
}

async function duckdb(folder: string): Promise<Answer> {
  const out = join(DATA, `join-duckdb-${process.pid}.ndjson`);
  const columns = "columns={custom_id: 'VARCHAR', response: 'JSON', error: 'JSON'}";
  const [rows] = await queryRow(
    `copy (select r.ordinal, r.record, a.response from
      read_json('${folder}/shards/*.records.ndjson', columns={ordinal: 'BIGINT', record: 'JSON'}) r
      left join read_json('${folder}/downloads/*.jsonl', ${columns}) a
      on a.custom_id = 'bench-' || r.ordinal order by r.ordinal) to '${out}' (format json)`,
  );
  rmSync(out);
  return { rows: Number(rows) };
}

const CAT = 'cat "$INPUT"/shards/*.records.ndjson "$INPUT"/downloads/*.jsonl > "$INPUT.cat"';
const REMOVE = 'rm "$INPUT.cat"';

const ours = (name: string, run: Contender['run']): Contender => ({
  name,
  ours: true,
  ...(run ? { run } : {}),
});

await ask({
  name: 'join',
  question: 'answers beside their records',
  async input(size = '200m') {
    await folderFor(size, true);
    return folderFor(size, false);
  },
  contenders: [
    ours('millrace, to one file in source order', ({ path }) => millrace(path, 'durable')),
    ours('millrace, the same without its sync', ({ path }) => millrace(path, 'written')),
    ours('millrace, only what the collect step does', ({ path }) => millrace(path, 'joined')),
    {
      name: "millrace, ids of the user's own",
      differs: 'its ids are longer, so it has fewer rows',
      run: ({ path }) => millrace(`${path}-own`, 'durable', true),
    },
    { name: 'a Map', run: ({ path }) => plainMap(path) },
    { name: 'DuckDB, 2 threads', run: ({ path }) => duckdb(path) },
    { name: 'cat to a file', shell: `${CAT}; ${REMOVE}` },
    { name: 'cat to a file, and its sync', shell: `${CAT}; sync "$INPUT.cat"; ${REMOVE}` },
  ],
});
