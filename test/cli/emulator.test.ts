import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { azureOpenAI } from '../../src/service/targets.ts';

const BIN = join(import.meta.dirname, '../../src/cli/bin.ts');

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-emulator-verb-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function millrace(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [BIN, 'emulator', ...args], { stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`the emulator ended without a line: ${child.exitCode}`);
}

it('prints its address and key, answers by a module, and fails what a script says', async () => {
  const dir = await folder();
  const answers = join(dir, 'answers.mjs');
  await writeFile(answers, `export default ({ body }) => 'seen: ' + body.messages[0].content;\n`);
  const faults = join(dir, 'faults.json');
  await writeFile(
    faults,
    JSON.stringify({ rules: [{ on: 'batches.create', do: 'cut-after', nth: 1 }] }),
  );
  const how = ['--speed', '20000', '--answers', answers, '--faults', faults];
  const child = millrace(['--port', '0', '--json', ...how]);
  const { url, key } = JSON.parse(await firstLine(child)) as { url: string; key: string };
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const rows: unknown[] = [];
  const job = await openJob(join(dir, 'x.job'));
  const status = await runBatchJob({
    job,
    source: [{ q: 'one' }, { q: 'two' }],
    request: { kind: 'prompt', model: 'm', prompt: '{{q}}' },
    service: azureOpenAI({ endpoint: url, apiKey: key }),
    pollIntervalMs: 20,
    sink: {
      write: (row: unknown) => void rows.push(row),
      close: async () => {},
      abort: async () => {},
    },
  });
  expect(status).toMatchObject({ ok: 2, batches: 1, duplicate_submissions: 0 });
  const seen = await job.store.read((tx) => tx.events(0, 100));
  expect(seen.map(({ type }) => type)).toContain('adopted');
  await job.close();
  expect(JSON.stringify(rows)).toContain('seen: two');
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('tells the users of a profile what to export, and what a taken port is', async () => {
  const child = millrace(['--port', '0', '--profile', 'openai']);
  let said = '';
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk);
    if (said.includes('API_KEY')) break;
  }
  const base = /OPENAI_BASE_URL=(http:\S+)\/v1$/m.exec(said)?.[1] ?? '';
  const other = millrace(['--port', new URL(base).port]);
  let refusal = '';
  other.stderr?.on('data', (chunk) => {
    refusal += chunk;
  });
  expect(await once(other, 'close')).toEqual([1, null]);
  expect(refusal).toMatch(/port \d+ of 127\.0\.0\.1 is taken/);
});

it.each([
  [['--set', 'tokenLimitt=refuse'], /tokenLimitt/],
  [['--faults', 'nowhere.json'], /--faults nowhere\.json/],
  [['--answers', 'nowhere.mjs'], /--answers nowhere\.mjs/],
  [['--host', '0.0.0.0'], /key/],
  [['--profile', 'azur'], /azure-rest/],
])('refuses %j with words', async (args, words) => {
  const child = millrace(['--port', '0', ...args]);
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(said).toMatch(words);
});
