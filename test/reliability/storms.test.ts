import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { limitIn } from '../../src/jobs/quota-words.ts';
import { refused } from './simulation/service.ts';
import { type SimulationOptions, simulate } from './simulation/simulate.ts';

const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const SEEDS = [1, 2, 3, 4, 5];

/** Runs a storm from some seeds and gives what came of each. */
async function storm(options: Omit<SimulationOptions, 'root'>) {
  const reports = [];
  for (const seed of SEEDS) {
    const report = await simulate(seed, { root, ...options });
    expect(report.violations).toEqual([]);
    // Rows that are refused for good are refused once; no row loses an attempt to the storm.
    expect(report.mostAttempts).toBe(1);
    reports.push(report);
  }
  return reports;
}

it('sits out ten minutes in which every call is answered 429', async () => {
  const reports = await storm({
    stormMinutes: 12,
    weather(service, minute) {
      const raging = minute > 2 && minute < 12;
      service.weather = () => (raging ? refused(429, 'rate_limit', true) : null);
    },
  });
  for (const { callsAMinute, minutes } of reports) {
    expect(callsAMinute).toBeLessThan(150);
    expect(minutes).toBeLessThan(180);
  }
});

for (const refuses of [true, false]) {
  for (const talkative of [true, false]) {
    const how = `${refuses ? 'refused' : 'failed'}, ${talkative ? 'with' : 'without'} the limit`;
    it(`waits while somebody else has the whole quota (${how})`, async () => {
      await storm({
        stormMinutes: 25,
        manner: { refuses, talkative, limit: 1500 },
        weather(_service, minute, ways) {
          ways.foreign = minute < 25 ? 1500 : 0;
        },
      });
    });
  }
}

it('goes on in smaller shards when the quota is lowered below one', async () => {
  for (const talkative of [true, false]) {
    const reports = await storm({
      stormMinutes: 1,
      manner: { refuses: talkative, talkative, limit: 2000 },
      weather(_service, minute, ways) {
        ways.limit = minute < 0.1 ? 2000 : 90;
      },
    });
    expect(reports.some(({ batches, shards }) => batches > shards)).toBe(true);
  }
});

it('reads the limit in the words of a refusal', () => {
  expect(limitIn('has surpassed the configured limit of 20K for the deployment')).toBe(20_000);
  expect(limitIn('Limit: 2,000,000 enqueued tokens. Please try again')).toBe(2_000_000);
  expect(limitIn('a limit of 5B')).toBe(5e9);
  expect(limitIn('limit of 1.5M tokens')).toBe(1.5e6);
  expect(limitIn('token_limit_exceeded')).toBeNull();
  expect(limitIn('')).toBeNull();
});
