// What does a whole run cost the client, beside its two halves alone? The emulator is another process;
// waiting is free, so processor time is compared and not the clock. Run and halves take turns, and both
// must write the same rows, each with its record and its answer, before a figure counts.
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DATA, dataFile } from './lib/data.ts';
import { machine, median, saveResult } from './lib/harness.ts';
import { startEmulatorProcess, type Watched, watchMillrace } from './lib/processes.ts';

const [size = '100m', given = '3'] = process.argv.slice(2);
const rounds = Number(given);
const { path, bytes } = await dataFile('csv', size);
const folder = mkdtempSync(join(DATA, 'end-'));
const REQUEST = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}', '--max-requests', '25000'];
// The emulator answers within a minute; a user's job asks once a minute and not thirty times.
const POLL = ['--poll-interval', '2s'];

const LAST_BYTES = 1024 * 1024; // more than a record has

/** `prepare` and `collect` are the halves that send nothing. */
const STEPS = ['run', 'prepare', 'submit', 'collect'] as const;
type Step = (typeof STEPS)[number];
type Round = Readonly<Record<Step, Watched>>;

const emulator = await startEmulatorProcess(
  ['--data', join(folder, 'service'), '--speed', '20000'],
  { quick: true },
);
try {
  const all: Round[] = [];
  for (let n = 0; n < rounds; n++) all.push(await round(String(n)));
  const ratio = median(
    all.map(({ run, prepare, collect }) => run.cpu / (prepare.cpu + collect.cpu)),
  );
  const results = STEPS.map((name) => {
    const each = all.map((one) => one[name]);
    return {
      name,
      seconds: median(each.map(({ seconds }) => seconds)),
      cpu: median(each.map(({ cpu }) => cpu)),
      cpus: each.map(({ cpu }) => cpu),
      peakMiB: Math.max(...each.map(({ peakMiB }) => peakMiB)),
    };
  });
  process.stdout.write(
    `\nA run of ${(bytes / 1e6).toFixed(0)} MB, medians of ${rounds}\n\n` +
      '| | s | CPU s | peak MiB |\n|---|---|---|---|\n',
  );
  for (const { name, seconds, cpu, peakMiB } of results) {
    process.stdout.write(
      `| ${name} | ${seconds.toFixed(1)} | ${cpu.toFixed(2)} | ${peakMiB.toFixed(0)} |\n`,
    );
  }
  process.stdout.write(`\nrun / (prepare + collect) = ${ratio.toFixed(2)}\n`);
  saveResult(`end-to-end-${size}`, { name: 'end-to-end', ...machine(), bytes, ratio, results });
} finally {
  await emulator.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A whole run and the same in steps, with the rows compared. */
async function round(name: string): Promise<Round> {
  const job = (kind: string) => ['--job', join(folder, `${kind}-${name}.job`)];
  const outs = { whole: join(folder, 'whole.ndjson'), halves: join(folder, 'halves.ndjson') };
  const [whole, halves] = [job('whole'), job('halves')];
  const { env } = emulator;
  const run = await checked(['run', path, ...whole, '--out', outs.whole, ...REQUEST, ...POLL], env);
  const prepare = await checked(['prepare', path, ...halves, ...REQUEST]);
  const submit = await checked(['submit', ...halves, ...POLL], env);
  const collect = await checked(
    ['collect', ...halves, '--out', outs.halves, '--wait', ...POLL],
    env,
  );
  const [one, other] = [await rowsOf(outs.whole), await rowsOf(outs.halves)];
  if (one !== other) throw new Error(`the rows of run are ${one}, those of the halves ${other}`);
  for (const [, dir] of [whole, halves]) rmSync(dir!, { recursive: true });
  for (const out of Object.values(outs)) rmSync(out);
  return { run, prepare, submit, collect };
}

async function checked(args: readonly string[], env = {}): Promise<Watched> {
  const watched = await watchMillrace(args, env);
  if (watched.code !== 0)
    throw new Error(`${args[0]} ended with ${watched.code}: ${watched.stderr}`);
  process.stderr.write(`  ${args[0]} ${watched.cpu.toFixed(2)} s\n`);
  return watched;
}

interface Row {
  readonly ordinal: number;
  readonly status: string;
  readonly record: { readonly id: string };
  readonly response: {
    readonly body: {
      readonly choices: readonly { readonly message: { readonly content: string } }[];
    };
  };
}

/**
 * How many rows a file has, and a hash of what two jobs have in common. Throws unless each is ok, is
 * where its record was in the source, and all are there, as the last record's id tells.
 */
async function rowsOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  let rows = 0;
  for await (const line of createInterface({
    input: createReadStream(file),
    crlfDelay: Infinity,
  })) {
    const { ordinal, status, record, response } = JSON.parse(line) as Row;
    if (ordinal !== rows || status !== 'ok' || record.id !== `doc-${rows}`) {
      throw new Error(`${file}: row ${rows} is ${ordinal}, ${status}, of ${record.id}`);
    }
    hash.update(JSON.stringify([record, response.body.choices[0]?.message.content]));
    rows++;
  }
  if (rows !== (await recordsOf(path))) throw new Error(`${file}: has only ${rows} rows`);
  return `${rows} of ${hash.digest('hex').slice(0, 12)}`;
}

/** How many records the source has: they are numbered. */
async function recordsOf(source: string): Promise<number> {
  let last = -1;
  for await (const line of createInterface({
    input: createReadStream(source, { start: Math.max(0, bytes - LAST_BYTES) }),
  })) {
    const id = /^doc-(\d+),/.exec(line)?.[1];
    if (id !== undefined) last = Number(id);
  }
  return last + 1;
}
