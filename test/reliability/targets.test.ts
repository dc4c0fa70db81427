import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { ServiceError } from '../../src/core/errors.ts';
import type { Target } from '../../src/core/service.ts';
import type { Emulator, TransitionEntry } from '../../src/emulator/index.ts';
import { DEFAULT_SETTINGS } from '../../src/jobs/context.ts';
import { type Job, openJob } from '../../src/jobs/job.ts';
import { runBatchJob } from '../../src/jobs/run.ts';
import type { JobStatus } from '../../src/jobs/status.ts';
import { begin } from '../../src/jobs/submission.ts';
import { noteFailure } from '../../src/jobs/target-trouble.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { mostCharged, reviews, service, temporaryDirectory } from '../jobs/helpers.ts';
import { jobTruth, mostHeld } from './evidence.ts';

// Several targets in one job: how they are filled, and what becomes of what one of them fails.

const FAST = { pollIntervalMs: 20, submitGraceMs: 200 };
const request = { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' } as const;
const QUICK_RETRY = { tries: 2, baseMs: 1, maxMs: 2 };

function target(
  emulator: Emulator,
  name: string,
  options: { enqueuedTokens?: number; weight?: number; apiKey?: string; deployment?: string } = {},
): Target {
  return azureOpenAI({
    name,
    endpoint: emulator.url,
    apiKey: emulator.key,
    deployment: `label-${name}`,
    retry: QUICK_RETRY,
    timeoutMs: 2000,
    ...options,
  });
}

function made(emulator: Emulator): TransitionEntry[] {
  return emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null);
}

async function runAt(
  service: readonly Target[],
  options: {
    records?: number;
    maxRequests?: number;
    pollIntervalMs?: number;
    onProgress?: (status: JobStatus, job: Job) => void;
  },
) {
  const dir = await temporaryDirectory();
  const out = join(dir, 'out.ndjson');
  const { records = 300, maxRequests = 20, pollIntervalMs = FAST.pollIntervalMs } = options;
  const job = await openJob(join(dir, 'pool.job'));
  const status = await runBatchJob({
    ...FAST,
    pollIntervalMs,
    job,
    source: reviews(records),
    request,
    baseModel: 'gpt-4o',
    limits: { maxRequests },
    service,
    sink: out,
    onProgress: (now) => options.onProgress?.(now, job),
  });
  const rows = (await readFile(out, 'utf8')).trim().split('\n');
  const read = rows.map((row) => JSON.parse(row) as { ordinal: number; status: string });
  // I1: every record once, in order.
  expect(read.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: records }, (_, n) => n));
  const { targets, events, holds } = await job.store.read(async (tx) => ({
    targets: new Map((await tx.targets()).map((row) => [row.name, row])),
    events: await tx.events(0, 10_000),
    holds: await tx.openHolds(),
  }));
  await job.close();
  const truth = jobTruth(job.directory.path);
  /** The most tokens that were held on a target at one time (I3), by the store's own times. */
  const mostHeldOn = (name: string) =>
    mostHeld({ ...truth, holds: truth.holds.filter((hold) => hold.target === name) });
  return { status, targets, events, holds, mostHeldOn };
}

it('fills targets in proportion to quota and weight, each with its own deployment', async () => {
  // Slow enough that quotas fill while the records are still prepared.
  const [small, large] = [await service({ speed: 200 }), await service({ speed: 200 })];
  const { status, mostHeldOn } = await runAt(
    [
      target(small, 'small', { enqueuedTokens: 6000 }),
      target(large, 'large', { enqueuedTokens: 9000, weight: 2 }),
    ],
    {},
  );
  expect(status).toMatchObject({ state: 'finished', ok: 300 });
  expect(mostCharged(small.eventLog())).toBeLessThanOrEqual(6000);
  expect(mostCharged(large.eventLog())).toBeLessThanOrEqual(9000);
  expect(mostHeldOn('small')).toBeLessThanOrEqual(6000);
  expect(mostHeldOn('large')).toBeLessThanOrEqual(9000);
  const [few, many] = [made(small).length, made(large).length];
  expect(few).toBeGreaterThan(0);
  expect(many).toBeGreaterThan(few);
  expect(new Set(made(small).map(({ detail }) => detail.deployment))).toEqual(
    new Set(['label-small']),
  );
});

it('ends with every row once when one of three dies half-way', async () => {
  const quotas = { one: 8000, two: 12_000, three: 20_000 };
  const emulators = {
    one: await service({ enqueuedTokens: quotas.one, speed: 1000 }),
    two: await service({ enqueuedTokens: quotas.two, speed: 1000 }),
    three: await service({ enqueuedTokens: quotas.three, speed: 1000 }),
  };
  const names = ['one', 'two', 'three'] as const;
  const targets = names.map((name) =>
    target(emulators[name], name, { enqueuedTokens: quotas[name] }),
  );
  let dead: Promise<void> | undefined;
  const {
    status,
    events,
    targets: rows,
    mostHeldOn,
  } = await runAt(targets, {
    records: 600,
    onProgress: () => {
      // Once some of its batches are over and others are under way.
      const over = emulators.three.eventLog().some(({ to }) => to === 'completed');
      if (over) dead ??= emulators.three.close();
    },
  });
  await dead;
  expect(dead).toBeDefined();
  expect(status).toMatchObject({ state: 'finished', ok: 600, failed: 0 });
  expect(rows.get('three')?.drained).toMatch(/^target_lost/);
  for (const name of names) {
    expect(mostCharged(emulators[name].eventLog()), name).toBeLessThanOrEqual(quotas[name]);
    expect(mostHeldOn(name), name).toBeLessThanOrEqual(quotas[name]);
    expect(made(emulators[name]).length, name).toBeGreaterThan(0);
  }
  expect(events.map(({ type }) => type)).toContain('resting');
  expect(events.map(({ type }) => type)).toContain('not_inspected');
  const ids = made(emulators.one).map(({ detail }) => detail.metadata as Record<string, string>);
  const attempts = ids.map((one) => `${one.millrace_shard}.${one.millrace_attempt}`);
  expect(new Set(attempts).size).toBe(attempts.length);
}, 60_000);

it.each([
  [
    'a key that is refused',
    (emulator: Emulator) => target(emulator, 'bad', { apiKey: 'wrong' }),
    /401/,
  ],
  [
    'a deployment that is not there',
    (emulator: Emulator) => target(emulator, 'bad', { deployment: 'gone' }),
    /model_not_found/,
  ],
])('sends to the others after %s', async (_, bad, reason) => {
  const broken = await service({ deployments: ['label-bad'] });
  const sound = await service();
  const { status, targets, holds } = await runAt([bad(broken), target(sound, 'sound')], {
    records: 100,
  });
  expect(status).toMatchObject({ state: 'finished', ok: 100 });
  expect(targets.get('bad')?.drained).toMatch(reason);
  expect(targets.get('sound')?.drained).toBeNull();
  expect(holds.filter(({ releasedAt }) => releasedAt === null)).toEqual([]);
});

it('leaves a target alone that answers nothing but 500, and goes back to it', async () => {
  const ill = await service({
    speed: 3000,
    faults: { rules: [{ on: '*', do: 'answer', status: 500 }] },
  });
  // Slow enough that there is work left when the other one is well again.
  const sound = await service({ speed: 300 });
  let well: Promise<void> | undefined;
  const { status, targets, events } = await runAt(
    [
      target(ill, 'ill', { enqueuedTokens: 20_000 }),
      target(sound, 'sound', { enqueuedTokens: 6000 }),
    ],
    {
      pollIntervalMs: 100,
      onProgress: async (_, job) => {
        const log = await job.store.read((tx) => tx.events(0, 10_000));
        if (log.some(({ type }) => type === 'resting')) well ??= ill.setFaults({});
      },
    },
  );
  await well;
  expect(status).toMatchObject({ state: 'finished', ok: 300 });
  expect(events.some(({ type, subject }) => type === 'resting' && subject === 'ill')).toBe(true);
  expect(made(ill).length).toBeGreaterThan(0);
  expect(targets.get('ill')).toMatchObject({ drained: null, failingSince: null });
}, 60_000);

it('ends with the reason when the last target refuses, and goes on when it is mended', async () => {
  const dir = await temporaryDirectory();
  const [one, two] = [await service(), await service()];
  const path = join(dir, 'refused.job');
  const run = (apiKey?: string) =>
    runBatchJob({
      ...FAST,
      job: path,
      source: reviews(40),
      request,
      baseModel: 'gpt-4o',
      limits: { maxRequests: 10 },
      service: ['one', 'two'].map((name, at) =>
        target([one, two][at]!, name, apiKey === undefined ? {} : { apiKey }),
      ),
    });
  await expect(run('wrong')).rejects.toMatchObject({ status: 401 });
  expect(await run()).toMatchObject({ state: 'finished', ok: 40 });
});

it('asks for the batches of a target that refuses, while there is work elsewhere', async () => {
  const dir = await temporaryDirectory();
  const revoked = await service({ speed: 500 });
  const sound = await service({ speed: 3000 });
  const path = join(dir, 'revoked.job');
  let cut: Promise<void> | undefined;
  const run = (onProgress?: () => void) =>
    runBatchJob({
      ...FAST,
      job: path,
      source: reviews(200),
      request,
      baseModel: 'gpt-4o',
      limits: { maxRequests: 20 },
      service: [
        target(revoked, 'revoked', { enqueuedTokens: 5000 }),
        target(sound, 'sound', { enqueuedTokens: 9000 }),
      ],
      onProgress,
    });
  const first = run(() => {
    const live = made(revoked).length > 0;
    if (live) {
      cut ??= revoked.setFaults({ rules: [{ on: '*', do: 'answer', status: 401 }] });
    }
  });
  await expect(first).rejects.toMatchObject({ status: 401 });
  await cut;
  const job = await openJob(path);
  const { left, known } = await job.store.read(async (tx) => ({
    left: (await tx.shards()).filter(({ state }) => state !== 'joined' && state !== 'cleaned'),
    known: (await tx.batches()).length,
  }));
  await job.close();
  // All that is left was accepted by the target that refuses now: it is paid for, and not sent again.
  expect(left.length).toBeGreaterThan(0);
  expect(new Set(left.map((shard) => shard.target))).toEqual(new Set(['revoked']));
  await revoked.setFaults({});
  expect(await run()).toMatchObject({ state: 'finished', ok: 200, batches: known });
}, 60_000);

it('does not take a sleep of the machine for an outage', async () => {
  const dir = await temporaryDirectory();
  const [one, two] = [await service(), await service()];
  let now = 0;
  const clock = { ...systemClock, now: () => now + Date.now() };
  const job = await openJob(join(dir, 'sleep.job'), { clock });
  const targets = [target(one, 'one'), target(two, 'two')];
  const context = {
    job,
    directory: job.directory,
    store: job.store,
    targets: new Map(targets.map((each) => [each.name, each])),
    clock,
    random: Math.random,
    settings: { ...DEFAULT_SETTINGS, ...FAST },
  };
  await job.store.transaction((tx) => begin(tx, context));
  const task = { kind: 'poll', id: targets[0]!.service.resource, runAt: 0, seq: 1 } as const;
  const down = new ServiceError('connect_failed', 'down', {
    status: null,
    outcome: 'unsent',
    retryable: true,
  });
  const fail = (tries: number) =>
    job.store.transaction((tx) => noteFailure(tx, context, task, down, tries));
  const row = async () => (await job.store.read((tx) => tx.targets()))[0];
  await fail(1);
  now += 8 * 60 * 60 * 1000; // asleep for 8 h
  await fail(2);
  expect(await row()).toMatchObject({ drained: null, restUntil: 0 });
  await fail(3);
  expect((await row())?.restUntil).toBeGreaterThan(0);
  await fail(9);
  expect(await row()).toMatchObject({ drained: null });
  await fail(10);
  expect((await row())?.drained).toMatch(/^target_lost/);
  await job.close();
});

it('cancels what a target that was given up still runs when it is there again', async () => {
  const back = await service({ speed: 20, switches: { cancellingSeconds: [1, 1] } });
  const sound = await service({ speed: 3000 });
  const ill = { rules: [{ on: '*', do: 'answer', status: 503 }] } as const;
  let gone: Promise<void> | undefined;
  let there: Promise<void> | undefined;
  const { status } = await runAt(
    [
      target(back, 'back', { enqueuedTokens: 6000 }),
      target(sound, 'sound', { enqueuedTokens: 6000 }),
    ],
    {
      records: 200,
      onProgress: ({ targets }) => {
        if (made(back).length > 0) gone ??= back.setFaults(ill);
        const lost = targets.some(({ reason }) => reason?.startsWith('target_lost') === true);
        if (lost) there ??= back.setFaults({});
      },
    },
  );
  await Promise.all([gone, there]);
  expect(there).toBeDefined();
  expect(status).toMatchObject({ state: 'finished', ok: 200 });
  expect(status.duplicate_submissions).toBeGreaterThan(0);
  const ends = new Map(back.eventLog().map(({ kind, id, to }) => [`${kind} ${id}`, to]));
  for (const [of, to] of ends) if (of.startsWith('batch')) expect(to, of).toBe('cancelled');
}, 60_000);
