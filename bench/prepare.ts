// What does it cost to make sealed shards of a file of records, with exact token counts and without,
// beside the plain way with the counters that people use, and beside DuckDB's COPY?

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type BenchRecord, dataFile } from './lib/data.ts';
import { queryRow } from './lib/duckdb.ts';
import {
  type Answer,
  ask,
  type ChildReport,
  type Contender,
  type Input,
  reportIn,
  type Task,
} from './lib/harness.ts';
import { prepareMillrace } from './lib/prepare.ts';

const MODEL = 'gpt-4o';
const PROMPT = 'Label: ';
/** Limits of one file that the service takes. */
const MOST_BYTES = 200e6;
const MOST_LINES = 100_000;
/** The plain ways with a counter would take most of an hour for a gigabyte. */
const PATIENCE_BYTES = 500e6; // 500 MB
/** By the rules of chat: per message and for the reply's start. */
const AROUND = 3 + 3;

type Count = (text: string) => number;

/** As one writes it: readline, JSON, a counter, one write a line. */
async function plain({ path, scratch }: Task, count: Count | null): Promise<Answer> {
  let tokens = 0;
  let requests = 0;
  let file = -1;
  let bytes = Number.POSITIVE_INFINITY;
  let lines = 0;
  let out = null as ReturnType<typeof createWriteStream> | null;
  const role = count === null ? 0 : count('user');
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const { text } = JSON.parse(line) as BenchRecord;
    const content = PROMPT + text;
    const request = `${JSON.stringify({
      custom_id: `bench-${requests}`,
      method: 'POST',
      url: '/chat/completions',
      body: { model: MODEL, messages: [{ role: 'user', content }] },
    })}\n`;
    const size = Buffer.byteLength(request);
    if (bytes + size > MOST_BYTES || lines === MOST_LINES) {
      out?.end();
      if (out !== null) await once(out, 'finish');
      out = createWriteStream(join(scratch, `${++file}.jsonl`));
      bytes = lines = 0;
    }
    if (count !== null) tokens += AROUND + role + count(content);
    if (!out!.write(request)) await once(out!, 'drain');
    bytes += size;
    lines++;
    requests++;
  }
  out?.end();
  if (out !== null) await once(out, 'finish');
  return count === null ? { requests } : { requests, tokens };
}

const ours = (name: string, options: { workers: number; count: boolean }): Contender => ({
  name,
  ours: true,
  run: (task) => prepareMillrace(task, { ...options, model: MODEL, prompt: `${PROMPT}{{text}}` }),
});

const ONE_WORKER = 'millrace, 1 worker';
const HALVES = [1, 2] as const;
const halfOf = (path: string, half: 1 | 2) => `${path}.half${half}.ndjson`;

/** Beside the file its two halves, which two processes are to prepare at once. */
async function withHalves(size: string): Promise<Input> {
  const input = await dataFile('ndjson', size);
  const cut = await endOfLine(input.path, Math.ceil(input.bytes / 2));
  const parts = [{ end: cut - 1 }, { start: cut }];
  for (const half of HALVES) {
    const lines = createReadStream(input.path, parts[half - 1]);
    await pipeline(lines, createWriteStream(halfOf(input.path, half)));
  }
  return input;
}

/** Where the line that the place lies in has its end. */
async function endOfLine(path: string, place: number): Promise<number> {
  let at = place;
  for await (const chunk of createReadStream(path, { start: place })) {
    const newline = (chunk as Buffer).indexOf('\n');
    if (newline !== -1) return at + newline + 1;
    at += (chunk as Buffer).length;
  }
  return at;
}

/** What both cores can do: nothing is shared, nothing waits for another. */
async function twoProcesses({ path, scratch }: Task): Promise<Answer> {
  const reports = await Promise.all(
    HALVES.map(async (half) => {
      const own = join(scratch, String(half));
      mkdirSync(own);
      const task = ['--contender', ONE_WORKER, halfOf(path, half), '0', own];
      const { stdout } = await execFileAsync(process.execPath, [process.argv[1]!, ...task]);
      const report = reportIn(stdout);
      if (report === null) throw new Error(`the process for half ${half} did not report`);
      return report;
    }),
  );
  const sum = (what: (report: ChildReport) => unknown) =>
    reports.reduce((total, report) => total + Number(what(report)), 0);
  return {
    requests: sum(({ answer }) => answer.requests),
    tokens: sum(({ answer }) => answer.tokens),
    cpu: sum(({ cpu }) => cpu),
    peakMiB: sum(({ peakMiB }) => peakMiB),
  };
}

const execFileAsync = promisify(execFile);

await ask({
  name: 'prepare',
  question: 'NDJSON into sealed shards',
  input: (size = '100m') => withHalves(size),
  contenders: [
    ours(ONE_WORKER, { workers: 1, count: true }),
    ours('millrace, 2 workers', { workers: 2, count: true }),
    { name: 'two processes at once, 1 worker and a half each', run: twoProcesses },
    {
      name: 'plain + tiktoken',
      once: true,
      upTo: PATIENCE_BYTES,
      async run(task) {
        const { get_encoding } = await import('tiktoken');
        const encoding = get_encoding('o200k_base');
        return plain(task, (text) => encoding.encode_ordinary(text).length);
      },
    },
    {
      name: 'plain + gpt-tokenizer',
      once: true,
      upTo: PATIENCE_BYTES,
      differs: 'counts otherwise where text holds U+FEFF or U+0085',
      async run(task) {
        const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
        const options = { disallowedSpecial: new Set<string>() };
        return plain(task, (text) => countTokens(text, options));
      },
    },
    ours('millrace, not counted, 1 worker', { workers: 1, count: false }),
    ours('millrace, not counted, 2 workers', { workers: 2, count: false }),
    { name: 'plain, not counted', run: (task) => plain(task, null) },
    {
      name: 'DuckDB COPY, not counted, 2 threads',
      async run({ path, scratch }) {
        const out = join(scratch, 'requests.jsonl');
        const [requests] = await queryRow(
          `copy (select 'bench-' || (row_number() over () - 1) as custom_id, 'POST' as "method",
              '/chat/completions' as url, {'model': '${MODEL}',
              'messages': [{'role': 'user', 'content': '${PROMPT}' || text}]} as body
              from read_json('${path}', format='newline_delimited')) to '${out}' (format json)`,
        );
        return { requests: Number(requests) };
      },
    },
    { name: 'cp', shell: 'cp "$INPUT" "$SCRATCH/copy"' },
  ],
});
