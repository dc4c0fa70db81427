import { existsSync, mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, seededRandom } from '../../src/core/clock.ts';
import { namesIn, startAzurite } from '../blob/azurite.ts';
import { compareRows, examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { rowsOf, table } from './material.ts';
import { EmulatorProcess, millrace, type Running } from './processes.ts';

export interface KillOptions {
  /** An empty directory to work in. */
  readonly directory: string;
  /** At least so many kills of the client. */
  readonly kills: number;
  readonly seed: number;
  /** Kill the service too, now and then. */
  readonly emulator: boolean;
  /** By Blob storage instead of the service's files. */
  readonly blobs?: boolean;
  readonly log?: (line: string) => void;
}

/** What a campaign of kills came to. */
export interface KillReport {
  readonly kills: number;
  readonly emulatorKills: number;
  readonly jobs: number;
  /** Batches made twice by a lost answer; all of them found and cancelled. */
  readonly duplicates: number;
  /** Rows lost, invented or changed. */
  readonly losses: number;
  readonly leakedHolds: number;
  readonly overruns: number;
  /** Everything that broke a promise, in words. */
  readonly violations: readonly string[];
}

const RECORDS = 150;
const QUOTA = 14_000;
const CONTAINER = 'kills';
const EXITS_ROWS = 2;
/** A job that is killed less often, or more often, changes how long the next one is let live. */
const FEWEST_KILLS = 3;
const MOST_KILLS = 10;
/** After so many kills a job is left alone: one that may never live long cannot come to its end. */
const MOST_KILLS_A_JOB = 30;
/** A job that needs more runs than this does not come to an end. */
const MOST_RUNS = 100;

/** Rows that the service refuses for good, and lines that it loses or breaks now and then. */
const FAULTS = {
  rules: [
    { on: 'line', do: 'content-filter', customIds: ['kills-5', 'kills-77'] },
    { on: 'line', do: 'missing', probability: 0.03 },
    { on: 'line', do: 'status', status: 500, into: 'error', probability: 0.04 },
    { on: 'line', do: 'status', status: 429, into: 'output', probability: 0.02 },
  ],
} as const;

/**
 * Runs jobs against an emulator in another process, kills them at random moments, resumes them until
 * they are done, and compares every one with a run that nobody disturbed.
 */
export async function campaign(options: KillOptions): Promise<KillReport> {
  const { directory, seed, log = () => undefined } = options;
  const random = seededRandom(seed);
  const source = join(directory, 'in.csv');
  await writeFile(source, table(RECORDS));
  await using storage = options.blobs === true ? await startAzurite() : null;
  const container = await storage?.container(CONTAINER);
  const emulator = new EmulatorProcess(join(directory, 'service'), {
    speed: 1000,
    seed,
    enqueuedTokens: QUOTA,
    faults: FAULTS,
    ...(storage === null ? {} : { blobStorage: storage.connectionString }),
  });
  await emulator.start();
  const client = (verb: 'run' | 'resume', home: string) => {
    const args = command(verb, home, source);
    if (storage === null) return millrace(args, emulator.env());
    const env = { ...emulator.env(), AZURE_STORAGE_CONNECTION_STRING: storage.connectionString };
    return millrace([...args, '--blob-container', `${storage.url}/${CONTAINER}`], env);
  };
  const found: string[] = [];
  const sum = { kills: 0, emulatorKills: 0, jobs: 0, duplicates: 0, losses: 0 };
  const leaks = { leakedHolds: 0, overruns: 0 };
  try {
    const begun = performance.now();
    const expected = await undisturbed(directory, client);
    // The machine may become busier or less so: some kills a job, on the average.
    let length = performance.now() - begun;
    while (sum.kills < options.kills) {
      const home = join(directory, `job-${sum.jobs++}`);
      mkdirSync(home);
      const ended = await disturbed({ home, client, emulator, random, length, options });
      sum.kills += ended.kills;
      if (ended.kills < FEWEST_KILLS) length *= 0.8;
      else if (ended.kills > MOST_KILLS) length *= 1.25;
      sum.emulatorKills += ended.emulatorKills;
      const job = join(home, 'kills.job');
      const findings = examine(jobTruth(job), serviceTruth(emulator.data));
      const rows = compareRows(expected, await rowsOf(home), 'ignored');
      const differences = [
        ...(rows.lost.length > 0 ? [`lost rows ${rows.lost}`] : []),
        ...(rows.invented.length > 0 ? [`invented rows ${rows.invented}`] : []),
        ...(rows.different.length > 0 ? [`changed rows ${rows.different}`] : []),
      ];
      const left = container === undefined ? [] : await namesIn(container);
      const broken = [
        ...ended.problems,
        ...differences,
        ...violations(findings, QUOTA),
        ...left.map((name) => `left blob ${name}`),
      ];
      found.push(...broken.map((words) => `job ${home}: ${words}`));
      sum.duplicates += findings.duplicates;
      sum.losses += rows.lost.length + rows.invented.length + rows.different.length;
      leaks.leakedHolds += findings.leakedHolds.length;
      leaks.overruns += findings.mostHeld > QUOTA ? 1 : 0;
      log(
        `job ${sum.jobs}: ${ended.kills} kills (${sum.kills} in all), ${findings.duplicates} duplicates` +
          (broken.length === 0 ? '' : `, BROKEN: ${broken.join('; ')}`),
      );
    }
  } finally {
    await emulator.kill();
  }
  return { ...sum, ...leaks, violations: found };
}

function command(verb: 'run' | 'resume', home: string, source: string): string[] {
  const job = ['--job', join(home, 'kills.job'), '--out', join(home, 'out.ndjson')];
  const limits = ['--enqueued-tokens', String(QUOTA), '--max-attempts', '9'];
  const waits = ['--poll-interval', '100ms', '--submit-grace', '2s'];
  const made = ['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}', '--max-requests', '12'];
  if (verb === 'resume') return [verb, ...job, ...limits, ...waits];
  return [verb, source, ...job, ...limits, ...waits, ...made];
}

type Client = (verb: 'run' | 'resume', home: string) => Running;

async function undisturbed(directory: string, client: Client): Promise<string> {
  const home = join(directory, 'undisturbed');
  mkdirSync(home);
  const { code, stderr } = await client('run', home).ended;
  if (code !== EXITS_ROWS) throw new Error(`the undisturbed run ended with ${code}: ${stderr}`);
  return rowsOf(home);
}

interface Disturbance {
  home: string;
  client: Client;
  emulator: EmulatorProcess;
  random: Random;
  /** Of a run that nobody disturbs, in ms. */
  length: number;
  options: KillOptions;
}

async function disturbed({ home, client, emulator, random, length, options }: Disturbance) {
  const ended = { kills: 0, emulatorKills: 0, problems: [] as string[] };
  for (let runs = 0; runs < MOST_RUNS; runs++) {
    // Before the job remembers what it is, only the same command can go on.
    const begun = existsSync(join(home, 'kills.job', 'last-run.json'));
    const again = runs > 0 && begun && random() < 0.8;
    const running = client(again ? 'resume' : 'run', home);
    const spared = ended.kills >= MOST_KILLS_A_JOB;
    const moment = delay(length * random(), 'kill' as const);
    const first = await Promise.race([...(spared ? [] : [moment]), running.ended]);
    if (first === 'kill' && running.child.exitCode === null) {
      const both = options.emulator && random() < 0.4;
      if (both) {
        await Promise.all([running.kill(), emulator.kill()]);
        await emulator.start();
        ended.emulatorKills++;
      } else if (options.emulator && random() < 0.3) {
        await emulator.kill();
        await emulator.start();
        ended.emulatorKills++;
        await delay(length * random());
        await running.kill();
      } else await running.kill();
      ended.kills++;
      continue;
    }
    const { code, stderr } = await running.ended;
    if (code === EXITS_ROWS) return ended;
    // What is wrong before a job exists or while it is incomplete is said, and the command given again.
    if (!again || !/give the same command/.test(stderr)) {
      ended.problems.push(`ended with ${code}: ${stderr.trim().slice(-400)}`);
      return ended;
    }
  }
  ended.problems.push(`was not over after ${MOST_RUNS} runs`);
  return ended;
}
