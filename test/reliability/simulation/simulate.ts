import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, seededRandom } from '../../../src/core/clock.ts';
import { errorCode, errorMessage } from '../../../src/core/errors.ts';
import type { Shard, Task } from '../../../src/core/job.ts';
import type { Target } from '../../../src/core/service.ts';
import type { Step } from '../../../src/jobs/context.ts';
import { type Context, DEFAULT_SETTINGS, waitUntil } from '../../../src/jobs/context.ts';
import { LANES } from '../../../src/jobs/driver.ts';
import { type Job, openJob } from '../../../src/jobs/job.ts';
import { prepareJob } from '../../../src/jobs/prepare.ts';
import { type Failures, runTask, taskKey } from '../../../src/jobs/run-task.ts';
import { begin } from '../../../src/jobs/submission.ts';
import { checkAlways, checkEnd, mostAttempts } from './invariants.ts';
import { type Manner, SimService } from './service.ts';
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
    const run = new Run(job, world, { ...manner(world, shards), ...options.manner }, options);
    const { violations, steps } = await run.toItsEnd();
    violations.push(...(await checkEnd(job, run.service, records)));
    const { duplicateSubmissions, ok } = await job.store.read((tx) => tx.totals());
    return {
      seed,
      violations: [...violations, ...run.service.violations],
      steps,
      crashes: world.crashes,
      jumps: world.jumps,
      sleeps: world.sleeps,
      batches: run.service.batches.length,
      duplicates: duplicateSubmissions,
      rows: records.length,
      ok,
      shards: shards.length,
      minutes: run.minutes,
      callsAMinute: mostAMinute(run.service.calls.map(({ at }) => at)),
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

/** A quota that the largest shard fits into, and a service with its own ways. */
function manner(world: World, shards: readonly Shard[]): Manner {
  const largest = Math.max(...shards.map(({ tokens }) => Math.ceil(tokens * 1.64)));
  const limit = Math.ceil(largest * world.between(0.8, 3.5));
  return {
    limit,
    order: world.pick(['newest', 'oldest', 'shuffled'] as const),
    refuses: world.chance(0.5),
    honoursRange: world.chance(0.5),
    foreign: world.chance(0.3) ? world.random() * limit : 0,
    maxFiles: world.pick([3, 6, 40]),
    talkative: world.chance(0.5),
  };
}

class Run {
  readonly service: SimService;
  readonly #job: Job;
  readonly #world: World;
  readonly #options: SimulationOptions;
  readonly #target: Target;
  readonly #ways: Manner;
  readonly #begunAt: number;
  readonly #tokens = new Map<string, number>();
  readonly #running = new Map<string, Task>();
  readonly #violations: string[] = [];
  /** When the last poll that went well began, in this process and on this clock. */
  #polledAt = Number.NEGATIVE_INFINITY;
  /** Jumps of the clock before then. */
  #polledAfter = 0;
  #context: Context;
  #failures: Failures = new Map();
  #steps = 0;
  #checkedAt = -1;
  #seen = new Map<string, Shard>();

  constructor(job: Job, world: World, ways: ReturnType<typeof manner>, options: SimulationOptions) {
    this.#job = job;
    this.#world = world;
    this.#options = options;
    this.#ways = ways;
    this.#begunAt = world.now;
    this.service = new SimService(world, ways, (shard) => this.#tokens.get(shard) ?? 0);
    this.#target = {
      name: 'default',
      service: this.service,
      deployment: null,
      enqueuedTokens: world.chance(0.8) ? ways.limit : null,
    };
    this.#context = this.#newProcess();
    world.interleave = () => this.#another();
  }

  async toItsEnd(): Promise<{ violations: string[]; steps: number }> {
    await this.#start();
    while (this.#steps < MOST_STEPS) {
      const { state } = (await this.#job.store.read((tx) => tx.job())) ?? {};
      if (state === 'finished') return { violations: this.#violations, steps: this.#steps };
      this.#options.weather?.(this.service, this.minutes, this.#ways);
      // Somebody else has tokens until faults end, unless the weather says otherwise.
      if (!this.#world.faulty && this.#options.weather === undefined) this.#ways.foreign = 0;
      try {
        if (state === 'paused') await this.#start();
        if (!(await this.#one()) && !(await this.#wait())) {
          this.#violations.push('stuck: nothing is due, now or later, and the job is not over');
          break;
        }
      } catch (error) {
        if (error instanceof Crash) this.#trace('dies');
        else if (errorCode(error) === undefined) throw error;
        else {
          this.#violations.push(`ended with ${errorCode(error)}: ${errorMessage(error)}`);
          break;
        }
        this.#running.clear();
        this.#world.reborn();
        this.#context = this.#newProcess();
        this.#failures = new Map();
        this.#polledAt = Number.NEGATIVE_INFINITY;
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
      targets: new Map([['default', this.#target]]),
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
    const lanes = [...this.#running.values()].map(({ kind }) => LANES[kind] ?? kind);
    const due = (await this.#context.store.read((tx) => tx.tasks())).filter(
      (task) =>
        waitUntil(this.#context, task.runAt) === 0 &&
        !this.#running.has(taskKey(task)) &&
        // One of a lane is enough: more of them is what nesting is for.
        (lanes.filter((lane) => lane === (LANES[task.kind] ?? task.kind)).length < 1 ||
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
    if (task.kind === 'poll' && !this.#failures.has(taskKey(task))) this.#polled(begun, jumps);
    await this.#check();
    return true;
  }

  #polled(at: number, jumps: number): void {
    const gap = at - this.#polledAt;
    // A clock that was set ahead makes one poll early.
    const jumped = this.#world.jumps > this.#polledAfter;
    this.#polledAfter = jumps;
    if (gap < POLL_MS && !jumped) this.#violations.push(`I9: polled again after ${gap} ms`);
    this.#polledAt = at;
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
    const { shards, held } = await this.#job.store.read(async (tx) => ({
      shards: await tx.shards(),
      // A duplicate is charged when it is found, whether or not there is room: it does not count.
      held: Math.max(
        sum((await tx.openHolds()).filter(({ releasedAt }) => releasedAt === null)),
        sum((await tx.batches({ live: true })).filter(({ bound }) => bound)),
      ),
    }));
    for (const { name, tokens } of shards) this.#tokens.set(name, tokens);
    this.#violations.push(...checkAlways(this.#seen, shards, held, this.#target.enqueuedTokens));
    for (const { id, endedAt, forgotten } of this.service.batches) {
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
