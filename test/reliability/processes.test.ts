import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { table } from './material.ts';
import { EmulatorProcess, millrace, type Running } from './processes.ts';

const RECORDS = 60;
const EXIT_ROWS = 2; // one record is ragged, and rejected
let directory = '';
let source = '';
let emulator: EmulatorProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-processes-'));
  source = join(directory, 'in.csv');
  await writeFile(source, table(RECORDS));
  emulator = new EmulatorProcess(join(directory, 'service'), { speed: 300 });
  await emulator.start();
});

afterAll(async () => {
  await emulator.kill();
  await rm(directory, { recursive: true, force: true });
});

function start(name: string): Running {
  const made = ['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}', '--max-requests', '20'];
  const waits = ['--poll-interval', '100ms', '--submit-grace', '2s'];
  const out = ['--out', join(directory, `${name}.ndjson`), '--json'];
  const job = ['--job', join(directory, `${name}.job`)];
  return millrace(['run', source, ...job, ...out, ...waits, ...made], emulator.env());
}

function resume(name: string): Running {
  return millrace(['resume', '--job', join(directory, `${name}.job`)], emulator.env());
}

async function until(running: Running, words: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!running.stderr().includes(words)) {
    if (Date.now() > deadline || running.child.exitCode !== null) {
      throw new Error(`never said ${words}: ${running.stderr().slice(-500)}`);
    }
    await delay(10);
  }
}

async function expectWhole(name: string): Promise<void> {
  const job = jobTruth(join(directory, `${name}.job`));
  expect(job.state).toBe('finished');
  const findings = examine(job, serviceTruth(emulator.data));
  expect(violations(findings, Number.POSITIVE_INFINITY)).toEqual([]);
  expect(findings.duplicates).toBe(0);
  const rows = (await readFile(join(directory, `${name}.ndjson`), 'utf8')).trim().split('\n');
  expect(rows.map((row) => (JSON.parse(row) as { ordinal: number }).ordinal)).toEqual(
    Array.from({ length: RECORDS }, (_, n) => n),
  );
}

it('stops politely at the first Ctrl-C, and tells how to go on', async () => {
  const running = start('polite');
  await until(running, '"type":"submitted"');
  running.child.kill('SIGINT');
  const { code, stderr } = await running.ended;
  expect(code).toBe(130);
  expect(stderr).toMatch(/resume --job/);
  expect((await resume('polite').ended).code).toBe(EXIT_ROWS);
  await expectWhole('polite');
});

it('stops at once at the second Ctrl-C, and loses nothing', async () => {
  const running = start('twice');
  await until(running, '"type":"submitted"');
  running.child.kill('SIGINT');
  running.child.kill('SIGINT');
  await delay(1);
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(130);
  expect((await resume('twice').ended).code).toBe(EXIT_ROWS);
  await expectWhole('twice');
});

it('lets no other process in beside a sleeper, which goes on when it wakes', async () => {
  const sleeper = start('zombie');
  await until(sleeper, '"type":"submitted"');
  sleeper.child.kill('SIGSTOP');
  const { code, stderr } = await resume('zombie').ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/another process holds this job/);
  expect(stderr).toContain(String(sleeper.child.pid));
  sleeper.child.kill('SIGCONT');
  expect((await sleeper.ended).code).toBe(EXIT_ROWS);
  await expectWhole('zombie');
});

it('takes over at once from a process that was killed', async () => {
  const running = start('killed');
  await until(running, '"type":"submitted"');
  await running.kill();
  expect((await resume('killed').ended).code).toBe(EXIT_ROWS);
  await expectWhole('killed');
});

it('begins anew where a process died while it made the job', async () => {
  const path = join(directory, 'begun.job');
  await mkdir(path);
  await writeFile(join(path, 'job.db'), '');
  for (const verb of ['status', 'resume']) {
    const { code, stderr } = await millrace([verb, '--job', path], emulator.env()).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/holds no job yet/);
  }
  expect((await start('begun').ended).code).toBe(EXIT_ROWS);
  await expectWhole('begun');
});
