import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoints.ts';
import { type Death, FailpointBench } from './failpoints.ts';

/** The places where most is at stake; bench/kills-at.ts goes to all of them. */
const DEATHS: readonly Death[] = [
  { scene: 'run', place: 'file.rename', hit: 3 },
  { scene: 'run', place: 'commit.before', hit: 17 },
  { scene: 'run', place: 'upload.after', hit: 1 },
  { scene: 'run', place: 'create.after', hit: 2 },
  { scene: 'run', place: 'collect.joined', hit: 1 },
  { scene: 'run', place: 'split.sealed', hit: 1 },
  { scene: 'run', place: 'retry.sealed', hit: 1 },
  { scene: 'retry', place: 'retry.reopened', hit: 1 },
  { scene: 'cancel', place: 'sweep.cancelled', hit: 1 },
  { scene: 'lossy run', place: 'orphan.deleted', hit: 1 },
  { scene: 'clean run', place: 'output.removing', hit: 2 },
];

describe('a job goes on after its death at', () => {
  let directory = '';
  let bench: FailpointBench;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-failpoints-'));
    bench = new FailpointBench(directory);
    await bench.open();
  });
  afterAll(async () => {
    await bench.close();
    await rm(directory, { recursive: true, force: true });
  });
  for (const death of DEATHS) {
    it(`${death.place}@${death.hit} (${death.scene})`, async () => {
      expect(await bench.die(death)).toEqual({ reached: true, broken: [] });
    }, 120_000);
  }
});

it('every name stands in the code, once for each edge', async () => {
  const root = join(import.meta.dirname, '../../src');
  const files = globSync('**/*.ts', { cwd: root }).filter(
    (path) => !path.endsWith('failpoints.ts'),
  );
  const texts = await Promise.all(files.map((path) => readFile(join(root, path), 'utf8')));
  const code = texts.join('\n');
  for (const name of FAILPOINTS) {
    expect(code.split(`'${name}'`).length - 1, name).toBe(1);
  }
  expect(FAILPOINTS.length).toBeGreaterThanOrEqual(30);
});
