import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { table } from './material.ts';
import { EmulatorProcess, millrace, type Running } from './processes.ts';

const RECORDS = 60;
const EXIT_ROWS = 2; // one record is ragged, and rejected
let directory = '';
let source = '';
let emulator: EmulatorProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-broken-'));
  source = join(directory, 'in.csv');
  await writeFile(source, table(RECORDS));
  emulator = new EmulatorProcess(join(directory, 'service'), { speed: 300 });
  await emulator.start();
});

afterAll(async () => {
  await emulator.kill();
  await rm(directory, { recursive: true, force: true });
});

function start(home: string): Running {
  const made = ['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}', '--max-requests', '20'];
  const waits = ['--poll-interval', '100ms', '--submit-grace', '2s'];
  const places = ['--job', join(home, 'b.job'), '--out', join(home, 'out.ndjson')];
  return millrace(['run', source, ...places, '--json', ...waits, ...made], emulator.env());
}

function resume(home: string): Running {
  return millrace(['resume', '--job', join(home, 'b.job')], emulator.env());
}

async function expectWhole(home: string): Promise<void> {
  const job = jobTruth(join(home, 'b.job'));
  expect(job.state).toBe('finished');
  const findings = examine(job, serviceTruth(emulator.data));
  expect(violations(findings, Number.POSITIVE_INFINITY)).toEqual([]);
  expect(findings.duplicates).toBe(0);
  const rows = (await readFile(join(home, 'out.ndjson'), 'utf8')).trim().split('\n');
  expect(rows).toHaveLength(RECORDS);
}

async function said(running: Running, words: string): Promise<void> {
  while (!running.stderr().includes(words)) {
    if (running.child.exitCode !== null) throw new Error(`never said ${words}`);
    await delay(5);
  }
}

/** From now on every write of the process behind so many bytes of a file fails with EFBIG. */
function noFileBeyond(running: Running, bytes: number): void {
  execFileSync('prlimit', ['--pid', String(running.child.pid), `--fsize=${bytes}:`]);
}

function canLimit(): boolean {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // Not Linux.
  }
}

it.skipIf(!canLimit()).each(['granted', 'submitted', 'joined'])(
  'stops with words when the store cannot be written any more once something is %s, and goes on when it can',
  async (type) => {
    const home = await mkdtemp(join(directory, `${type}-`));
    const running = start(home);
    await said(running, `"type":"${type}"`);
    // SQLite sees an input/output error: its log is as long as a file may be.
    noFileBeyond(running, statSync(join(home, 'b.job', 'job.db-wal')).size);
    const { code, stderr } = await running.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/job\.db could not be read or written: check the disk, then resume/);
    expect((await resume(home).ended).code).toBe(EXIT_ROWS);
    await expectWhole(home);
  },
);

it('says that a disk is read-only, and goes on when it is not', async (test) => {
  const home = await mkdtemp(join(directory, 'read-only-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', home], { stdio: 'ignore' });
  } catch {
    return test.skip(); // Not root.
  }
  onTestFinished(() => void execFileSync('umount', ['-l', home]));
  const running = start(home);
  await said(running, '"type":"submitted"');
  await running.kill();
  execFileSync('mount', ['-o', 'remount,ro', home]);
  const { code, stderr } = await resume(home).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/writable|read-only|EROFS/);
  execFileSync('mount', ['-o', 'remount,rw', home]);
  expect((await resume(home).ended).code).toBe(EXIT_ROWS);
  await expectWhole(home);
});
