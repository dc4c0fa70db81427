import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { campaign } from './kills.ts';

/** A bounded handful; bench/kills.ts has as many as one likes. */
const KILLS = 40;

it('survives kills of the command line and of the service at random moments', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-kills-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const seed = 20261122;
  const report = await campaign({ directory, seed, kills: KILLS, emulator: true });
  expect(report).toMatchObject({ violations: [], losses: 0, leakedHolds: 0, overruns: 0 });
  expect(report.kills).toBeGreaterThanOrEqual(KILLS);
}, 600_000);
