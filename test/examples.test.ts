import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { cleanEnv, needFreshDist, ROOT } from './package/dist.ts';

beforeAll(needFreshDist);

/** What each example says last, and the file that it names, if any. */
const ENDINGS: Readonly<Record<string, RegExp>> = {
  'etl.ts': /^1030 of 1030 English rows have a label$/m,
  'for-await.ts': /^3 of 3 tickets have a team$/m,
  'pipeline.ts': /^2350 of 2350 rows are ok: (?<out>.*labels\.csv)$/m,
  'run-batch-job.ts': /input tokens in 5 batches: (?<out>.*labels\.ndjson\.gz)$/m,
  'structured.ts': /^3 of 3 mails became a ticket$/m,
  'targets.ts': /^2350 of 2350 rows are ok, in .*\neast: \d+ batches\nwest: [1-9]\d* batches$/m,
  'transform.ts': /^2350 of 2350 rows are ok$/m,
};

test('every example is tested', () => {
  const examples = readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.ts'));
  expect(examples.filter((name) => name !== 'service.ts')).toEqual(Object.keys(ENDINGS));
});

test.each(Object.entries(ENDINGS))('%s', async (name, ending) => {
  const { code, output } = await runExample(name);
  expect(output).toMatch(ending);
  expect(code).toBe(0);
  const out = ending.exec(output)?.groups?.out;
  if (out === undefined) return;
  expect(existsSync(out)).toBe(true);
  rmSync(dirname(out), { recursive: true });
});

function runExample(name: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(ROOT, 'examples', name)], {
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
