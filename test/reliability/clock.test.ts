import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import { FAST, reviews, service, targetAt, temporaryDirectory } from '../jobs/helpers.ts';
import { examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { table } from './material.ts';
import { EmulatorProcess, millrace } from './processes.ts';

// Debian's package faketime: `apt-get install faketime`. The simulation sets clocks everywhere.
const [LIBRARY] = globSync('/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1');

const DAY_MS = 24 * 60 * 60 * 1000;
/** Two looks at two files. */
const MISSES = 4;
const RECORDS = 60;
const EXIT_ROWS = 2; // one record is ragged, and rejected
/** The first one back, so that whatever is left of the job is earlier than what was. */
const JUMPS = ['-3h', '+26h', '-26h', '+10m', '+400d', '+0'];
let directory = '';
let emulator: EmulatorProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-clock-'));
  await writeFile(join(directory, 'in.csv'), table(RECORDS));
  emulator = new EmulatorProcess(join(directory, 'service'), { speed: 300 });
  await emulator.start();
});

afterAll(async () => {
  await emulator.kill();
  await rm(directory, { recursive: true, force: true });
});

it.skipIf(LIBRARY === undefined)('goes on while its clock is set back and forth', async () => {
  const clock = join(directory, 'clock');
  await writeFile(clock, '+0');
  const env = {
    ...emulator.env(),
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    // The time that timers go by is nobody's to set.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const places = ['--job', join(directory, 'c.job'), '--out', join(directory, 'out.ndjson')];
  const made = ['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}', '--max-requests', '10'];
  const waits = ['--poll-interval', '100ms', '--submit-grace', '2s', '--json'];
  const running = millrace(['run', join(directory, 'in.csv'), ...places, ...made, ...waits], env);
  for (let jumps = 0; running.child.exitCode === null; ) {
    await delay(200);
    if (running.stderr().includes('"submitted"')) {
      await writeFile(clock, JUMPS[jumps++ % JUMPS.length] ?? '+0');
    }
  }
  const { code, stderr } = await running.ended;
  expect(stderr).toContain('"state":"finished"');
  expect(code).toBe(EXIT_ROWS);
  const job = jobTruth(join(directory, 'c.job'));
  const times = job.events.map(({ at }) => at);
  expect(times).not.toEqual(times.toSorted((a, b) => a - b));
  const findings = examine(job, serviceTruth(emulator.data));
  expect(violations(findings, Number.POSITIVE_INFINITY)).toEqual([]);
  expect(findings.duplicates).toBe(0);
  const rows = (await readFile(join(directory, 'out.ndjson'), 'utf8')).trim().split('\n');
  expect(rows).toHaveLength(RECORDS);
});

it('gives up nothing because the clock was set ahead', async () => {
  const missing = { on: 'files.content', do: 'answer', status: 404, count: MISSES } as const;
  const local = await service({ faults: { rules: [missing] } });
  // A day further with each time that the answers are not there.
  const misses = () => local.accessLog().filter(({ status }) => status === 404).length;
  const clock = { now: () => Date.now() + misses() * DAY_MS, sleep: systemClock.sleep };
  const job = await openJob(join(await temporaryDirectory(), 'ahead.job'), { clock });
  const status = await runBatchJob({
    ...FAST,
    job,
    source: reviews(10),
    request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
    baseModel: 'gpt-4o',
    service: targetAt(local),
  });
  expect(misses()).toBe(MISSES);
  expect(status).toMatchObject({ state: 'finished', ok: 10, attempts: 1, batches: 1 });
  await job.close();
});
