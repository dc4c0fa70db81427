import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FAILPOINTS, type Failpoint } from '../../src/core/failpoints.ts';
import type { FaultScript } from '../../src/emulator/index.ts';
import { compareRows, examine, jobTruth, serviceTruth, violations } from './evidence.ts';
import { rowsOf, table } from './material.ts';
import { EmulatorProcess, millrace } from './processes.ts';

/** What the process is doing when it dies. */
export type Scene = 'run' | 'retry' | 'cancel' | 'lossy run' | 'clean run';

/** Passages that only these scenes come through; every other place lies on the way of a run. */
const SCENES: Partial<Record<Failpoint, Scene>> = {
  'retry.reopened': 'retry',
  'sweep.cancelled': 'cancel',
  // An upload whose answer was lost left a file that nobody knows.
  'orphan.deleted': 'lossy run',
  // Only the results of a job without a failed row go once they are written.
  'output.removing': 'clean run',
};

export interface Death {
  readonly scene: Scene;
  readonly place: Failpoint;
  readonly hit: number;
}

/** Every place at the given hits, in the scene that passes it. */
export function deaths(hits: readonly number[]): Death[] {
  return FAILPOINTS.flatMap((place) =>
    hits.map((hit) => ({ scene: SCENES[place] ?? 'run', place, hit })),
  );
}

const RECORDS = 60;
/** Makes the shards large enough for their rows to stay in the downloads until the output is written. */
const NOTE_BYTES = 60_000; // 60 kB
const QUOTA = 1300;
const EXIT_ROWS = 2;

const UNANSWERED = { on: 'line', do: 'missing', probability: 0.08 } as const;
const REFUSED = { on: 'line', do: 'content-filter', customIds: ['fail-5', 'fail-33'] } as const;
/** Every other upload is not answered: its next try is. */
const UPLOADS_LOST = {
  on: 'files.upload',
  do: 'cut-after',
  nth: Array.from({ length: 100 }, (_, n) => 2 * n + 1),
} as const;

type World = 'usual' | 'lossy' | 'clean';

const FAULTS: Readonly<Record<World, FaultScript>> = {
  usual: { rules: [REFUSED, UNANSWERED] },
  lossy: { rules: [REFUSED, UNANSWERED, UPLOADS_LOST] },
  clean: { rules: [UNANSWERED] },
};

function worldOf(scene: Scene): World {
  return scene === 'lossy run' ? 'lossy' : scene === 'clean run' ? 'clean' : 'usual';
}

/** A service, and the rows of a run at it that nobody disturbed. */
interface Stage {
  readonly service: EmulatorProcess;
  expected: string;
}

/** Emulators, undisturbed runs to compare with, and a job for every death. */
export class FailpointBench {
  readonly #directory: string;
  readonly #source: string;
  readonly #stages = new Map<World, Stage>();
  #jobs = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#source = join(directory, 'in.csv');
  }

  async open(): Promise<void> {
    await writeFile(this.#source, table(RECORDS, NOTE_BYTES));
  }

  async close(): Promise<void> {
    for (const { service } of this.#stages.values()) await service.kill();
  }

  /** Lets a job die at the place and go on; gives whether it got there, and what broke. */
  async die({ scene, place, hit }: Death): Promise<{ reached: boolean; broken: string[] }> {
    const { service, expected } = await this.#stage(worldOf(scene));
    const home = this.#home();
    if (scene === 'retry') await this.#done(service, home);
    if (scene === 'cancel') await this.#half(service, home);
    const env = { ...service.env(), MILLRACE_FAILPOINT: `${place}@${hit}` };
    const verb = scene === 'retry' || scene === 'cancel' ? scene : 'run';
    const { signal } = await millrace(this.#command(verb, home), env).ended;
    const broken: string[] = [];
    // The first may finish a cancel; the second goes on with what the cancel left.
    for (let runs = 0; runs < 3; runs++) {
      const { code, stderr } = await millrace(this.#command('run', home), service.env()).ended;
      if (code === 1) broken.push(`ended with ${code}: ${stderr.trim().slice(-300)}`);
      if (jobTruth(join(home, 'fail.job')).state === 'finished') break;
    }
    const rows = compareRows(expected, await rowsOf(home), 'ignored');
    for (const [what, list] of Object.entries(rows)) {
      if (list.length > 0) broken.push(`${what} rows: ${list}`);
    }
    const job = jobTruth(join(home, 'fail.job'));
    broken.push(...violations(examine(job, serviceTruth(service.data)), QUOTA));
    return { reached: signal === 'SIGKILL', broken };
  }

  async #stage(world: World): Promise<Stage> {
    const made = this.#stages.get(world);
    if (made !== undefined) return made;
    const service = new EmulatorProcess(join(this.#directory, `service-${world}`), {
      speed: 3000,
      enqueuedTokens: QUOTA,
      faults: FAULTS[world],
    });
    const stage: Stage = { service, expected: '' };
    this.#stages.set(world, stage);
    await service.start();
    const home = this.#home();
    await this.#done(service, home);
    stage.expected = await rowsOf(home);
    return stage;
  }

  #home(): string {
    const home = join(this.#directory, `job-${this.#jobs++}`);
    mkdirSync(home);
    return home;
  }

  #command(verb: 'run' | 'retry' | 'cancel', home: string): string[] {
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

  async #done(service: EmulatorProcess, home: string): Promise<void> {
    const { code, stderr } = await millrace(this.#command('run', home), service.env()).ended;
    if (code !== EXIT_ROWS) throw new Error(`the undisturbed run ended with ${code}: ${stderr}`);
  }

  /** A job with batches that are under way, and nobody at work on it. */
  async #half(service: EmulatorProcess, home: string): Promise<void> {
    const env = { ...service.env(), MILLRACE_FAILPOINT: 'poll.listed@1' };
    await millrace(this.#command('run', home), env).ended;
  }
}
