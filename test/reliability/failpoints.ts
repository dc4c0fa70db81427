import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FAILPOINTS, type Failpoint } from '../../src/core/failpoints.ts';
import { compareRows, examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { rowsOf, table } from './material.ts';
import { EmulatorProcess, millrace } from './processes.ts';

/** What the process is doing when it dies. */
export type Scene = 'run' | 'retry' | 'cancel';

/** Passages that only these scenes come through; every other place lies on the way of a run. */
const SCENES: Partial<Record<Failpoint, Scene>> = {
  'retry.reopened': 'retry',
  'sweep.cancelled': 'cancel',
};

/** Places that need an upload whose answer was lost: the simulation and the orphan test go there. */
const ELSEWHERE: ReadonlySet<Failpoint> = new Set<Failpoint>(['orphan.deleted', 'output.removing']);

export interface Death {
  readonly scene: Scene;
  readonly place: Failpoint;
  readonly hit: number;
}

/** Every place at the given hits, in the scene that passes it. */
export function deaths(hits: readonly number[]): Death[] {
  return FAILPOINTS.filter((place) => !ELSEWHERE.has(place)).flatMap((place) =>
    hits.map((hit) => ({ scene: SCENES[place] ?? 'run', place, hit })),
  );
}

const RECORDS = 60;
const QUOTA = 1300;
const EXIT_ROWS = 2;

const FAULTS = {
  rules: [
    { on: 'line', do: 'content-filter', customIds: ['fail-5', 'fail-33'] },
    { on: 'line', do: 'missing', probability: 0.08 },
  ],
} as const;

/** One emulator, one undisturbed run to compare with, and a job for every death. */
export class FailpointBench {
  readonly #directory: string;
  readonly #source: string;
  readonly #service: EmulatorProcess;
  #expected = '';
  #jobs = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#source = join(directory, 'in.csv');
    this.#service = new EmulatorProcess(join(directory, 'service'), {
      speed: 3000,
      enqueuedTokens: QUOTA,
      faults: FAULTS,
    });
  }

  async open(): Promise<void> {
    await writeFile(this.#source, table(RECORDS));
    await this.#service.start();
    const home = this.#home();
    await this.#done('run', home);
    this.#expected = await rowsOf(home);
  }

  close(): Promise<void> {
    return this.#service.kill();
  }

  /** Lets a job die at the place and go on; gives whether it got there, and what broke. */
  async die(death: Death): Promise<{ reached: boolean; broken: string[] }> {
    const home = this.#home();
    const { scene, place, hit } = death;
    if (scene === 'retry') await this.#done('run', home);
    if (scene === 'cancel') await this.#half(home);
    const env = { ...this.#service.env(), MILLRACE_FAILPOINT: `${place}@${hit}` };
    const { signal } = await millrace(this.#command(scene, home), env).ended;
    const broken: string[] = [];
    // The first may finish a cancel; the second goes on with what the cancel left.
    for (let runs = 0; runs < 3; runs++) {
      const { code, stderr } = await millrace(this.#command('run', home), this.#service.env())
        .ended;
      if (code === 1) broken.push(`ended with ${code}: ${stderr.trim().slice(-300)}`);
      if (jobTruth(join(home, 'fail.job')).state === 'finished') break;
    }
    const rows = compareRows(this.#expected, await rowsOf(home), 'ignored');
    for (const [what, list] of Object.entries(rows)) {
      if (list.length > 0) broken.push(`${what} rows: ${list}`);
    }
    const job = jobTruth(join(home, 'fail.job'));
    broken.push(...violations(examine(job, serviceTruth(this.#service.data)), QUOTA));
    return { reached: signal === 'SIGKILL', broken };
  }

  #home(): string {
    const home = join(this.#directory, `job-${this.#jobs++}`);
    mkdirSync(home);
    return home;
  }

  #command(verb: Scene, home: string): string[] {
    const job = ['--job', join(home, 'fail.job')];
    const waits = ['--poll-interval', '60ms', '--submit-grace', '1s'];
    const out = ['--out', join(home, 'out.ndjson'), '--max-attempts', '9'];
    if (verb === 'cancel') return [verb, ...job, ...waits];
    const limits = ['--enqueued-tokens', String(QUOTA), ...out, ...waits];
    if (verb === 'retry') return [verb, ...job, ...limits];
    const made = ['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}'];
    // The first shard is larger than the quota, and is split.
    const shards = ['--max-requests', '40', '--max-shard-tokens', '1M'];
    return [verb, this.#source, ...job, ...limits, ...made, ...shards];
  }

  async #done(verb: Scene, home: string): Promise<void> {
    const { code, stderr } = await millrace(this.#command(verb, home), this.#service.env()).ended;
    if (code !== EXIT_ROWS)
      throw new Error(`the undisturbed ${verb} ended with ${code}: ${stderr}`);
  }

  /** A job with batches that are under way, and nobody at work on it. */
  async #half(home: string): Promise<void> {
    const env = { ...this.#service.env(), MILLRACE_FAILPOINT: 'poll.listed@1' };
    await millrace(this.#command('run', home), env).ended;
  }
}
