import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, seededRandom } from '../../../src/core/clock.ts';
import { errorCode, errorMessage } from '../../../src/core/errors.ts';
import type { Shard, Task } from '../../../src/core/job.ts';
import type { Step } from '../../../src/jobs/context.ts';
import { type Context, DEFAULT_SETTINGS, waitUntil } from '../../../src/jobs/context.ts';
import { type Job, openJob } from '../../../src/jobs/job.ts';
import { laneOf } from '../../../src/jobs/lanes.ts';
import { prepareJob } from '../../../src/jobs/prepare.ts';
import { type Failures, runTask, taskKey } from '../../../src/jobs/run-task.ts';
import { begin } from '../../../src/jobs/submission.ts';
import { checkAlways, checkEnd, checkQuota, mostAttempts } from './invariants.ts';
import type { Manner, SimService } from './service.ts';
import { REVOKED, type Site, sitesOf } from './sites.ts';
import { Crash, type Odds, World } from './world.ts';

const MINUTE_MS = 60 * 1000;
const POLL_MS = DEFAULT_SETTINGS.pollIntervalMs;

/** Waits that faults have caused are over by then: the longest is that of a clock that was set back. */
const CALM_MS = 20 * MINUTE_MS;

const IN_SERVICE: ReadonlySet<string> = new Set(['submitted', 'running', 'finalizing']);

/** A run that takes more steps than this does not come to an end. */
const MOST_STEPS = 6000;

/** Steps that are open inside each other at one time. */
const MOST_NESTED = 3;

export interface SimulationOptions {
  /** Where job directories are made; a file system in memory is quickest. */
  readonly root: string;
  /** Takes the place of a step, to see that a broken one is found. */
  readonly step?: Step;
  /** No fault is drawn: only the weather troubles the service, until then. */
  readonly stormMinutes?: number;
  /** Called before every step, to change the service as time goes by. */
  readonly weather?: (service: SimService, minute: number, ways: Manner) => void;
  readonly manner?: Partial<Manner>;
  readonly trace?: (line: string) => void;
}

export interface SimulationReport {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly steps: number;
  readonly crashes: number;
  /** How often the clock was set while the process ran. */
  readonly jumps: number;
  /** How often the machine slept, for up to a day. */
  readonly sleeps: number;
  readonly sites: number;
  readonly batches: number;
  readonly duplicates: number;
  readonly rows: number;
  readonly ok: number;
  readonly shards: number;
  /** Virtual minutes from the first step to the last. */
  readonly minutes: number;
  /** The most calls in any virtual minute. */
  readonly callsAMinute: number;
  /** The most tries that any row took. */
  readonly mostAttempts: number;
}

export interface SimRecord {
  readonly n: number;
  readonly text: string;
}

/** One job from its seed: the real steps, a simulated service, faults, deaths and interleavings. */
export async function simulate(
  seed: number,
  options: SimulationOptions,
): Promise<SimulationReport> {
  const random = seededRandom(seed);
  const directory = await mkdtemp(join(options.root, `sim-${seed}-`));
  try {
    return await simulateIn(join(directory, 's.job'), seed, random, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function simulateIn(
  path: string,
  seed: number,
  random: Random,
  options: SimulationOptions,
): Promise<SimulationReport> {
  const { stormMinutes } = options;
  const odds: Odds =
    stormMinutes === undefined
      ? {
          fault: random() * 0.12,
          crash: random() * 0.03,
          interleave: random() * 0.3,
          jump: random() * 0.02,
        }
      : { fault: 0, crash: 0, interleave: 0.1, jump: 0 };
  const faultsMs = stormMinutes === undefined ? (5 + random() * 75) * MINUTE_MS : 0;
  const world = new World(random, odds, faultsMs);
  const job = await openJob(path, { clock: world.clock, random });
  try {
    const records = await prepare(job, world);
    const shards = await job.store.read((tx) => tx.shards());
    const run = new Run(job, world, shards, options);
    const { violations, steps } = await run.toItsEnd();
    violations.push(...(await checkEnd(job, run.services, records)));
    const { duplicateSubmissions, ok } = await job.store.read((tx) => tx.totals());
    return {
      seed,
      violations: [...violations, ...run.services.flatMap((service) => service.violations)],
      steps,
      crashes: world.crashes,
      jumps: world.jumps,
      sleeps: world.sleeps,
      sites: run.services.length,
      batches: run.services.flatMap((service) => service.batches).length,
      duplicates: duplicateSubmissions,
      rows: records.length,
      ok,
      shards: shards.length,
      minutes: run.minutes,
      callsAMinute: mostAMinute(
        run.services.flatMap((service) => service.calls).map(({ at }) => at),
      ),
      mostAttempts: await mostAttempts(job),
    };
  } finally {
    await job.close();
  }
}

async function prepare(job: Job, world: World): Promise<SimRecord[]> {
  const records = Array.from({ length: 4 + Math.floor(world.random() * 14) }, (_, n) => ({
    n,
    text: `record ${n} ${'word '.repeat(Math.floor(world.random() * 30))}`,
  }));
  await prepareJob<SimRecord>(job, {
    source: records,
    request: { kind: 'prompt', model: 'gpt-4o', prompt: '{{text}}' },
    limits: { maxRequests: 3 + Math.floor(world.random() * 5) },
  });
  return records;
}

class Run {
  readonly #job: Job;
  readonly #world: World;
  readonly #options: SimulationOptions;
  readonly #sites: readonly Site[];
  readonly #begunAt: number;
  readonly #tokens = new Map<string, number>();
  readonly #running = new Map<string, Task>();
  readonly #violations: string[] = [];
  /** When the last poll of each resource that went well began, and the jumps of the clock before it. */
  readonly #polls = new Map<string, { at: number; jumps: number }>();
  #context: Context;
  #failures: Failures = new Map();
  #steps = 0;
  #checkedAt = -1;
  #seen = new Map<string, Shard>();

  constructor(job: Job, world: World, shards: readonly Shard[], options: SimulationOptions) {
    this.#job = job;
    this.#world = world;
    this.#options = options;
    this.#begunAt = world.now;
    this.#sites = sitesOf(world, shards, {
      storm: options.stormMinutes !== undefined,
      manner: options.manner ?? {},
      tokensOf: (shard) => this.#tokens.get(shard) ?? 0,
    });
    this.#context = this.#newProcess();
    world.interleave = () => this.#another();
  }

  get services(): SimService[] {
    return this.#sites.map(({ service }) => service);
  }

  async toItsEnd(): Promise<{ violations: string[]; steps: number }> {
    await this.#start();
    while (this.#steps < MOST_STEPS) {
      const { state } = (await this.#job.store.read((tx) => tx.job())) ?? {};
      if (state === 'finished') return { violations: this.#violations, steps: this.#steps };
      for (const { service, ways } of this.#sites) {
        this.#options.weather?.(service, this.minutes, ways);
        // Somebody else has tokens until faults end, unless the weather says otherwise.
        if (!this.#world.faulty && this.#options.weather === undefined) ways.foreign = 0;
      }
      try {
        if (state === 'paused') await this.#start();
        if (!(await this.#one()) && !(await this.#wait())) {
          this.#violations.push('stuck: nothing is due, now or later, and the job is not over');
          break;
        }
      } catch (error) {
        if (error instanceof Crash) this.#trace('dies');
        else if (errorCode(error) === REVOKED) {
          // The run has ended, with nothing to go on with elsewhere; somebody resumes it later.
          this.#trace('stops');
          this.#world.now += this.#world.between(0, 20 * MINUTE_MS);
        } else if (errorCode(error) === undefined) throw error;
        else {
          this.#violations.push(`ended with ${errorCode(error)}: ${errorMessage(error)}`);
          break;
        }
        this.#running.clear();
        this.#world.reborn();
        this.#context = this.#newProcess();
        this.#failures = new Map();
        this.#polls.clear();
        await this.#start();
      }
    }
    if (this.#steps >= MOST_STEPS) this.#violations.push(`not over after ${MOST_STEPS} steps`);
    return { violations: this.#violations, steps: this.#steps };
  }

  /** From here on, what ends is collected within three polls. */
  get #calmAt(): number {
    const { stormMinutes } = this.#options;
    return stormMinutes === undefined
      ? this.#world.faultsEndAt + CALM_MS
      : this.#begunAt + stormMinutes * MINUTE_MS;
  }

  get minutes(): number {
    return (this.#world.now - this.#begunAt) / MINUTE_MS;
  }

  #newProcess(): Context {
    return {
      job: this.#job,
      directory: this.#job.directory,
      store: this.#world.mortal(this.#job.store),
      targets: new Map(this.#sites.map(({ target }) => [target.name, target])),
      clock: this.#world.clock,
      random: this.#world.random,
      settings: { ...DEFAULT_SETTINGS, maxAttempts: 4 },
    };
  }

  #start(): Promise<void> {
    return this.#job.store.transaction((tx) => begin(tx, this.#context));
  }

  /** Runs a step that is due, if there is one. */
  async #one(): Promise<boolean> {
    const lanes = [...this.#running.values()].map(laneOf);
    const due = (await this.#context.store.read((tx) => tx.tasks())).filter(
      (task) =>
        waitUntil(this.#context, task.runAt) === 0 &&
        !this.#running.has(taskKey(task)) &&
        // One of a lane is enough: more of them is what nesting is for.
        (lanes.filter((lane) => lane === laneOf(task)).length < 1 ||
          task.kind === 'upload' ||
          task.kind === 'submit'),
    );
    if (due.length === 0) return false;
    const task = this.#world.pick(due);
    this.#steps += 1;
    this.#trace(`${task.kind} ${task.id}`);
    const { now: begun, jumps } = this.#world;
    this.#running.set(taskKey(task), task);
    try {
      await runTask(
        this.#context,
        task,
        new AbortController().signal,
        this.#failures,
        this.#options.step,
      );
    } finally {
      this.#running.delete(taskKey(task));
    }
    if (task.kind === 'poll' && !this.#failures.has(taskKey(task)))
      this.#polled(task.id, begun, jumps);
    await this.#check();
    return true;
  }

  #polled(resource: string, at: number, jumps: number): void {
    const last = this.#polls.get(resource);
    this.#polls.set(resource, { at, jumps });
    if (last === undefined) return;
    const gap = at - last.at;
    // A clock that was set ahead makes one poll early.
    const jumped = this.#world.jumps > last.jumps;
    if (gap < POLL_MS && !jumped) this.#violations.push(`I9: polled again after ${gap} ms`);
  }

  async #another(): Promise<void> {
    if (this.#running.size < MOST_NESTED) await this.#one();
  }

  /** Lets time pass until something is due; false when nothing ever will be. */
  async #wait(): Promise<boolean> {
    const tasks = await this.#job.store.read((tx) => tx.tasks());
    const waits = tasks.map(({ runAt }) => waitUntil(this.#context, runAt));
    if (waits.length === 0) return false;
    this.#world.now += Math.max(1, Math.min(...waits));
    return true;
  }

  async #check(): Promise<void> {
    if (this.#world.commits === this.#checkedAt) return;
    this.#checkedAt = this.#world.commits;
    const { shards, holds, bound } = await this.#job.store.read(async (tx) => ({
      shards: await tx.shards(),
      holds: (await tx.openHolds()).filter(({ releasedAt }) => releasedAt === null),
      // A duplicate is charged when it is found, whether or not there is room: it does not count.
      bound: (await tx.batches({ live: true })).filter((batch) => batch.bound),
    }));
    for (const { name, tokens } of shards) this.#tokens.set(name, tokens);
    for (const { target } of this.#sites) {
      const of = <T extends { readonly target: string }>(items: readonly T[]) =>
        items.filter((item) => item.target === target.name);
      const held = Math.max(sum(of(holds)), sum(of(bound)));
      this.#violations.push(...checkQuota(held, target.enqueuedTokens));
    }
    this.#violations.push(...checkAlways(this.#seen, shards));
    for (const { id, endedAt, forgotten } of this.services.flatMap(({ batches }) => batches)) {
      if (forgotten) continue;
      const late =
        this.#world.now - Math.max(endedAt ?? Infinity, this.#calmAt, this.#world.wokeAt);
      if (late <= 3 * POLL_MS) continue;
      const shard = shards.find(({ batchId, state }) => batchId === id && IN_SERVICE.has(state));
      if (shard !== undefined) this.#violations.push(`I12: ${shard.name} ended ${late} ms ago`);
    }
    this.#seen = new Map(shards.map((shard) => [shard.name, shard]));
    if (this.#violations.length > 20) this.#steps = MOST_STEPS;
  }

  #trace(line: string): void {
    this.#options.trace?.(
      `${((this.#world.now - this.#world.faultsEndAt) / MINUTE_MS).toFixed(2)} ${'  '.repeat(this.#running.size)}${line}`,
    );
  }
}

function sum(items: readonly { readonly tokens: number }[]): number {
  return items.reduce((total, { tokens }) => total + tokens, 0);
}

function mostAMinute(times: readonly number[]): number {
  const minutes = new Map<number, number>();
  for (const at of times) {
    const minute = Math.floor(at / MINUTE_MS);
    minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
  }
  return Math.max(0, ...minutes.values());
}
