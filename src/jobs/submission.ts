import { MillraceError, UsageError } from '../core/errors.ts';
import type { Shard } from '../core/job.ts';
import type { Target } from '../core/service.ts';
import type { Store, Transaction } from '../core/store.ts';
import { type Context, DEFAULT_SETTINGS, jobRow, log, type Settings } from './context.ts';
import { EmbeddedDriver } from './driver.ts';
import type { Job } from './job.ts';

/**
 * How far a submission goes: until the job is over, until every shard is accepted by the service,
 * only as much as the quota admits now, or until what has ended by now is collected.
 */
export type Goal = 'finished' | 'accepted' | 'once' | 'ended';

/** How a job is submitted: what may change from one run to the next. */
export interface SubmitOptions extends Partial<Settings> {
  /** Default `finished`. */
  goal?: Goal;
  /**
   * Whether a job that was paused or cancelled goes on. Otherwise it stays so, and only what was
   * sent is collected. Default true.
   */
  reopens?: boolean;
  /** Ends the work at the next safe point; batches that run go on, and a later submission takes them up. */
  signal?: AbortSignal;
}

const ACTIVE = ['granted', 'uploading', 'uploaded', 'submitting'] as const;
const IN_SERVICE = ['submitted', 'running', 'finalizing'] as const;
const UNDER_WAY = [...ACTIVE, ...IN_SERVICE, 'ended', 'collecting'] as const;
/** A service may have what it would be lost with. */
const AT_A_SERVICE = ['submitting', ...IN_SERVICE, 'ended', 'collecting'] as const;
const READING = ['ended', 'collecting', 'joined'] as const;

/**
 * Submits a job's shards, polls, and collects, in the background from the moment it is made,
 * whether or not it is read. Reading it gives each shard once its rows are final, in the order in
 * which that happened, from the job's first one on. It ends when the goal is reached, and throws
 * what ended it otherwise: `paused`, `preparation_incomplete`, or the failure itself.
 */
export class Submission implements AsyncIterable<Shard> {
  /** Settles when the work has ended. */
  readonly done: Promise<void>;
  readonly #job: Job;
  #over = false;

  constructor(job: Job, targets: readonly Target[], options: SubmitOptions = {}) {
    this.#job = job;
    const first = job.active.submitting === 0;
    job.active.submitting += 1;
    this.done = (first ? run(job, targets, options) : refuse()).finally(() => {
      job.active.submitting -= 1;
      this.#over = true;
      job.notify();
    });
    // Whoever reads or awaits sees the failure; a submission that nobody reads must not crash.
    this.done.catch(() => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Shard, void, undefined> {
    let seen = 0;
    for (;;) {
      const over = this.#over;
      const changed = Promise.withResolvers<void>();
      const stop = this.#job.onChange(changed.resolve);
      try {
        const fresh = await this.#job.store.read((tx) => tx.shards({ joinedAfter: seen }));
        for (const shard of fresh) {
          seen = shard.joinedSeq ?? seen;
          yield shard;
        }
        if (fresh.length === 0) {
          if (over) return await this.done;
          await changed.promise;
        }
      } finally {
        stop();
      }
    }
  }
}

/**
 * Starts submitting to one target or several. A job takes one submission at a time: a further one
 * throws a UsageError when it is read or awaited.
 */
export function submitShards(
  job: Job,
  targets: Target | readonly Target[],
  options: SubmitOptions = {},
): Submission {
  return new Submission(job, targetList(targets), options);
}

/** The targets as a list. Throws a UsageError when two have one name. */
export function targetList(targets: Target | readonly Target[]): readonly Target[] {
  const list = [targets ?? []].flat() as readonly Target[];
  const names = list.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return list;
  throw new UsageError(`two targets have the name "${twice}": give each a name of its own`);
}

/** Throws a UsageError that names the setting which cannot be kept to. */
function checkSettings({ pollIntervalMs, submitGraceMs, maxAttempts, maxCost }: Settings): void {
  const checks = [
    [
      'pollIntervalMs',
      pollIntervalMs,
      pollIntervalMs >= 0 && Number.isFinite(pollIntervalMs),
      'a number of milliseconds',
    ],
    [
      'submitGraceMs',
      submitGraceMs,
      submitGraceMs >= 0 && Number.isFinite(submitGraceMs),
      'a number of milliseconds',
    ],
    [
      'maxAttempts',
      maxAttempts,
      maxAttempts > 0 && Number.isInteger(maxAttempts),
      'a positive whole number',
    ],
    ['maxCost', maxCost, maxCost === null || maxCost >= 0, 'a sum of money'],
  ] as const;
  for (const [name, value, isGood, what] of checks) {
    if (!isGood) throw new UsageError(`${name} is ${value}; it must be ${what}`);
  }
}

/** Two would run the same tasks, and each would find its own stale. */
async function refuse(): Promise<never> {
  throw new UsageError(
    'this job is being submitted already: read that submission (it can be read more than once), ' +
      'or await its `done` before the next one',
  );
}

async function run(job: Job, targets: readonly Target[], options: SubmitOptions): Promise<void> {
  const {
    goal = 'finished',
    reopens = true,
    signal = new AbortController().signal,
    ...given
  } = options;
  const told = Object.entries(given).filter(([, value]) => value !== undefined);
  const settings: Settings = { ...DEFAULT_SETTINGS, ...Object.fromEntries(told) };
  checkSettings(settings);
  // A job that is over needs no service.
  if (targets.length === 0 && (await job.store.read(jobRow)).state !== 'finished') {
    throw new UsageError('no service was given: make one with azureOpenAI() or openAI()');
  }
  const context: Context = {
    job,
    directory: job.directory,
    store: job.store,
    targets: new Map(targets.map((target) => [target.name, target])),
    clock: job.clock,
    random: job.random,
    settings,
  };
  await job.store.transaction((tx) => begin(tx, context, reopens));
  const driver = new EmbeddedDriver(context, {
    until: () => reached(job, context, goal, reopens),
    onProgress: () => job.notify(),
  });
  const stop = job.onChange(() => driver.wake());
  try {
    await driver.run(signal);
  } finally {
    stop();
  }
}

/**
 * Registers the targets and wakes what may go on: with `reopens` also a job that was paused or cancelled.
 */
export async function begin(tx: Transaction, context: Context, reopens = true): Promise<void> {
  const now = context.clock.now();
  const job = await jobRow(tx);
  for (const target of context.targets.values()) {
    await refuseMoved(tx, target);
    await tx.putTarget({
      name: target.name,
      resource: target.service.resource,
      limit: target.enqueuedTokens,
      statedLimit: null,
      learnedLimit: null,
      probedLimit: null,
      othersTokens: 0,
      othersFiles: 0,
      maxFiles: target.service.dialect.maxFiles,
      deployment: target.deployment,
      credential: target.credential?.() ?? null,
      retryAt: 0,
      failingSince: null,
      restUntil: 0,
      drained: null,
    });
    await tx.putTask('grant', target.name, now);
    await tx.putTask('survey', target.service.resource, now);
  }
  await tx.putTask('retry', 'job', now);
  await tx.putTask('finish', 'job', now);
  if (job.state === 'paused' && job.cancelRequested) return startCancelling(tx, context);
  if (!reopens) return;
  // Who resumes a job has seen what its sample came to.
  const sample = job.sample?.state === 'shown' ? { ...job.sample, state: 'over' as const } : null;
  if (job.state === 'paused' || job.state === 'cancelled') {
    const prepared = (await tx.partitions()).every(({ state }) => state === 'prepared');
    await tx.updateJob(job.version, {
      state: job.planned && prepared ? 'running' : 'preparing',
      pause: null,
      cancelRequested: false,
      ...(sample === null ? {} : { sample }),
    });
    await log(tx, context, 'resumed', 'job');
  }
}

/** Another service under a name whose batches are elsewhere would give its rows up as lost. */
async function refuseMoved(tx: Transaction, { name, service }: Target): Promise<void> {
  const before = (await tx.targets()).find((row) => row.name === name)?.resource;
  if (before === undefined || before === service.resource) return;
  const shards = await tx.shards({ states: AT_A_SERVICE, target: name, limit: 1 });
  if (shards.length === 0) return;
  throw new MillraceError(
    'unknown_target',
    `batches of this job are at ${before}, and not at ${service.resource}: give the target ` +
      `"${name}" that address until they are collected`,
  );
}

async function reached(job: Job, context: Context, goal: Goal, reopens: boolean): Promise<boolean> {
  // Asked before the row is read: a preparation that ends in between has changed the row.
  const unprepared = job.active.preparing === 0;
  const row = await job.store.read(jobRow);
  if (row.cancelRequested && row.state !== 'cancelling' && row.state !== 'cancelled') {
    await job.store.transaction((tx) => startCancelling(tx, context));
    return false;
  }
  if (row.state === 'finished' || row.state === 'cancelled') return true;
  if (row.state === 'paused') {
    // What was sent is paid for: it is collected before the pause ends the run.
    const open = await job.store.read((tx) => tx.shards({ states: UNDER_WAY, limit: 1 }));
    if (open.length > 0) return false;
    if (!reopens) return true;
    throw new MillraceError('paused', row.pause ?? 'the job is paused', { retryable: true });
  }
  if (row.state === 'preparing' && unprepared && job.active.preparing === 0) {
    throw new MillraceError(
      'preparation_incomplete',
      'the job is not prepared to its end and nobody is preparing it: give its sources again',
    );
  }
  return row.state === 'running' && goal !== 'finished' && (await atGoal(job.store, context, goal));
}

async function atGoal(store: Store, context: Context, goal: Goal): Promise<boolean> {
  return store.read(async (tx) => {
    if ((await tx.shards({ states: ACTIVE, limit: 1 })).length > 0) return false;
    if (goal === 'accepted') {
      return (await tx.shards({ states: ['sealed', 'waiting'], limit: 1 })).length === 0;
    }
    const due = (await tx.tasks()).some(({ runAt }) => runAt <= context.clock.now());
    if (goal === 'once') return !due;
    return !due && (await tx.shards({ states: READING, limit: 1 })).length === 0;
  });
}

/** Nothing more is sent; live batches are cancelled, and what they did is collected. */
async function startCancelling(tx: Transaction, context: Context): Promise<void> {
  const now = context.clock.now();
  const job = await jobRow(tx);
  // It may have ended since the wish was read.
  if (job.state === 'finished' || job.state === 'cancelled') return;
  await tx.updateJob(job.version, { state: 'cancelling' });
  for (const { service } of context.targets.values())
    await tx.putTask('sweep', service.resource, now);
  await tx.putTask('finish', 'job', now);
  await log(tx, context, 'cancelling', 'job');
}
