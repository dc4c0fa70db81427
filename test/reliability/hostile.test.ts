import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'hostile-process.ts');

it('reads lines of 100 MB, deep JSON and odd characters in bounded memory, and loses no record', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-hostile-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, directory]);
  const { sourcesMiB, answersMiB, ...found } = JSON.parse(stdout) as Record<string, unknown>;
  const oneRejected = { records: 3, rejected: 1 };
  expect(found).toEqual({
    'in.csv': oneRejected,
    'in.ndjson': oneRejected,
    'garbage.ndjson': oneRejected,
    'in.json': oneRejected,
    'in.csv.gz': oneRejected,
    'deep.ndjson': { records: 2, rejected: 1 },
    // A bare NUL is no JSON.
    'odd.ndjson': { records: 5, rejected: 1 },
    'latin.ndjson': 'invalid_encoding',
    answers: { ok: 4, malformed: 1 },
  });
  // A record that no file takes is not held; an answer is held a few times, and nothing else with it.
  expect(sourcesMiB).toBeLessThan(300);
  expect(answersMiB).toBeLessThan(700);
});
