import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startProgress } from '../../src/cli/progress.ts';
import { openJob } from '../../src/jobs/job.ts';

const ESC = String.fromCharCode(27);

test('the block is taken off the screen whole, also behind a ^C that the terminal echoed', async () => {
  await using job = await openJob(join(mkdtempSync(join(tmpdir(), 'millrace-')), 'x.job'));
  let written = '';
  const screen = {
    isTTY: true,
    columns: 80,
    write: (text: string) => {
      written += text;
      return true;
    },
  };
  const progress = await startProgress(job.store, { screen, json: false, free: true });
  const lines = written.split('\n').length - 1;
  expect(lines).toBeGreaterThan(3);
  written = '';
  await progress.stop();
  expect(written).toBe(`\r${ESC}[${lines}A${ESC}[J`);
});
