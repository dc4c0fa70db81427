import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { Target } from '../../src/core/service.ts';
import { advance } from '../../src/jobs/advance.ts';
import type { Step } from '../../src/jobs/context.ts';
import type { SimService } from './simulation/service.ts';
import { simulate } from './simulation/simulate.ts';

/** bench/simulate.ts runs a thousand and more. */
const SEEDS = 40;

const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

it('keeps every invariant, whatever goes wrong', async () => {
  const failed: Record<number, readonly string[]> = {};
  const seen = { deaths: 0, jumps: 0, sleeps: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, crashes, jumps, sleeps } = await simulate(seed, { root });
    if (violations.length > 0) failed[seed] = violations;
    seen.deaths += crashes;
    seen.jumps += jumps;
    seen.sleeps += sleeps;
  }
  expect(failed).toEqual({});
  expect(seen.deaths).toBeGreaterThan(SEEDS);
  expect(Math.min(seen.jumps, seen.sleeps)).toBeGreaterThan(5);
}, 120_000);

it('replays a seed step by step', async () => {
  const run = async () => {
    const lines: string[] = [];
    await simulate(11, { root, trace: (line) => lines.push(line) });
    return lines;
  };
  expect(await run()).toEqual(await run());
});

/** Sends a create again without a look at the list. */
const withoutProtocol: Step = async (context, task, signal) => {
  if (task.kind === 'submit') {
    await context.store.transaction(async (tx) => {
      const shard = await tx.shard(task.id);
      if (shard?.state !== 'submitting' || shard.intentAt === null) return;
      await tx.moveShard(shard.name, shard.version, { intentAt: null });
    });
  }
  return advance(context, task, signal);
};

it('makes no batch twice when half of the answers are lost, and would without the protocol', async () => {
  const duplicates = { with: 0, without: 0 };
  for (let seed = 1; seed <= 8; seed++) {
    const losing = {
      root,
      stormMinutes: 0,
      manner: { foreign: 0 },
      weather: (service: SimService) => {
        service.lostCreates = 0.5;
      },
    };
    const sound = await simulate(seed, losing);
    expect(sound.violations).toEqual([]);
    duplicates.with += sound.duplicates;
    duplicates.without += (await simulate(seed, { ...losing, step: withoutProtocol })).duplicates;
  }
  expect(duplicates.with).toBe(0);
  expect(duplicates.without).toBeGreaterThan(3);
}, 120_000);

/** A way to be wrong, and the promise whose breach the harness must report. */
const CONTROLS: readonly { what: string; broken: Step; reports: RegExp }[] = [
  {
    what: 'an error file that nobody reads',
    broken: (context, task, signal) => {
      if (task.kind !== 'collect') return advance(context, task, signal);
      const targets = new Map(
        [...context.targets].map(([name, target]) => [name, withoutErrorIds(target)]),
      );
      const store = withoutErrorFiles(context.store);
      return advance({ ...context, store, targets }, task, signal);
    },
    reports: /refused for good, and not told so/,
  },
  {
    what: 'tokens given back before the batch has ended',
    broken: async (context, task, signal) => {
      await advance(context, task, signal);
      if (task.kind !== 'submit') return;
      await context.store.transaction(async (tx) => {
        const shard = await tx.shard(task.id);
        if (shard?.state !== 'submitted') return;
        await tx.updateHold(shard.name, shard.attempt, { releasedAt: context.clock.now() });
        await tx.putTask('grant', shard.target ?? '', context.clock.now());
      });
    },
    reports: /I3/,
  },
];

for (const { what, broken, reports } of CONTROLS) {
  it(`reports ${what}`, async () => {
    const said: string[] = [];
    for (let seed = 1; seed <= 15; seed++) {
      said.push(...(await simulate(seed, { root, step: broken })).violations);
    }
    expect(said.join('; ')).toMatch(reports);
  }, 60_000);
}

function withoutErrorIds(target: Target): Target {
  const service = new Proxy(target.service, {
    get(inner, name) {
      const value = Reflect.get(inner, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'getBatch') return value.bind(inner);
      return async (id: string) => ({ ...(await inner.getBatch(id)), errorFileId: null });
    },
  });
  return { ...target, service };
}

function withoutErrorFiles(store: Parameters<Step>[0]['store']): Parameters<Step>[0]['store'] {
  return {
    ...store,
    read: (fn) => store.read(fn),
    close: () => store.close(),
    transaction: (fn) =>
      store.transaction((tx) =>
        fn(
          new Proxy(tx, {
            get(target, name) {
              if (name !== 'batch') {
                const value = Reflect.get(target, name) as unknown;
                return typeof value === 'function' ? value.bind(target) : value;
              }
              return async (id: string) => {
                const batch = await target.batch(id);
                return batch === undefined ? undefined : { ...batch, errorFileId: null };
              };
            },
          }),
        ),
      ),
  };
}
