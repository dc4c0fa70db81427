import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { removeTemporaries } from '../../src/streams/atomic-file.ts';
import { failedLine, lines, okLine, plainRows, TestJob } from './helpers.ts';

const CHILD = join(import.meta.dirname, 'killed-join.ts');
const ROWS = 20_000;

test('killed at any moment and done again, a join leaves what one join leaves', async () => {
  using job = new TestJob();
  job.seal(plainRows(ROWS));
  const answers = Array.from({ length: ROWS - 10 }, (_, n) =>
    n % 7 ? okLine(`job-${n}`) : failedLine(`job-${n}`, n % 2 ? 500 : 400),
  );
  const output = job.output(lines(answers));
  let killed = 0;
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, [CHILD, job.directory], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    await delay(round * 40);
    child.kill('SIGKILL');
    const [, signal] = await closed;
    if (signal === 'SIGKILL') killed++;
    // What is visible is whole, whatever the moment.
    for (const [path, text] of Object.entries(job.files())) {
      if (!path.includes('.tmp')) expect([path, text.endsWith('\n')]).toEqual([path, true]);
    }
  }
  expect(killed).toBeGreaterThan(0);

  await job.join({ output, error: null });
  for (const folder of ['shards', 'results']) await removeTemporaries(join(job.directory, folder));
  using undisturbed = new TestJob();
  undisturbed.seal(plainRows(ROWS));
  await undisturbed.join({ output: undisturbed.output(lines(answers)), error: null });
  const files = job.files();
  const expected = undisturbed.files();
  expect(Object.keys(files)).toEqual(Object.keys(expected));
  for (const path of Object.keys(expected)) expect(files[path] === expected[path]).toBe(true);
});
