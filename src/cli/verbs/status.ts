import { Command } from 'commander';
import type { JobState, SourceSpec } from '../../core/job.ts';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import type { NextCommand } from '../screen/next.ts';

interface StatusFlags {
  job: string;
  shards?: boolean;
  json?: boolean;
}

/** `millrace status`: where a job stands, read without its lock. */
export function statusCommand(finish: Finish): Command {
  const command = new Command('status')
    .summary('show where a job stands, also while it runs')
    .description('Reads the job without disturbing whoever works on it. Calls no service.')
    .usage('--job DIR [--json]');
  addJobFlag(command).option('--shards', 'each shard too, with its price');
  addGeneralFlags(command, '--json', 'one JSON object on standard output');
  return command.action((flags: StatusFlags) => finish(() => status(flags)));
}

async function status({ job, json, shards }: StatusFlags): Promise<number> {
  const [{ withJobStore }, { readStatus }, { shardStatuses }, { JobLock }, screen, { Trouble }] =
    await Promise.all([
      import('../../jobs/job.ts'),
      import('../../jobs/status.ts'),
      import('../../jobs/shard-status.ts'),
      import('../../jobs/lock.ts'),
      import('../screen/status-table.ts'),
      import('../trouble.ts'),
    ]);
  return withJobStore(job, async (store, directory) => {
    // Asked first: who ends in between has written his last state, and is not taken for stopped.
    const active = JobLock.isHeld(directory.lock);
    const seen = await store.read(async (tx) => ({
      status: await readStatus(tx),
      shards: await tx.shards({ states: screen.NOTED_STATES }),
      each: shards ? await shardStatuses(tx) : null,
      sources: (await tx.job())?.spec.sources ?? [],
    }));
    const { status: now, each } = seen;
    if (json) {
      const all = each === null ? { ...now, active } : { ...now, active, shard_list: each };
      process.stdout.write(`${JSON.stringify(all)}\n`);
    } else {
      const trouble = await new Trouble(store).read(Date.now());
      const next = active ? [] : await goOn(now.state, seen.sources, directory.path);
      screen.showStatus({ ...seen, trouble, active, next }, directory.path);
      if (each !== null) {
        const [{ shardTable }, { styleOf }] = await Promise.all([
          import('../screen/shard-table.ts'),
          import('../screen/style.ts'),
        ]);
        const rows = shardTable(each, now.cost.currency, styleOf(process.stdout));
        process.stdout.write(`\n${rows.join('\n')}\n`);
      }
    }
    return 0;
  });
}

/** The command that goes on with a job that nobody is at; none for one that is over. */
async function goOn(
  state: JobState,
  sources: readonly SourceSpec[],
  path: string,
): Promise<NextCommand[]> {
  if (state === 'finished') return [];
  const [{ programName }, { near }, { shellWord }, { recall }] = await Promise.all([
    import('../program-name.ts'),
    import('../screen/summary.ts'),
    import('../screen/words.ts'),
    import('../memory.ts'),
  ]);
  const job = shellWord(near(path));
  if (
    state === 'preparing' &&
    (sources.length === 0 || sources.some(({ path }) => path === null))
  ) {
    return [[`${programName()} run ... --job ${job}`, 'the same command, with the same input']];
  }
  if (state === 'cancelling') {
    return [[`${programName()} cancel --job ${job}`, 'cancel what is still at the service']];
  }
  const { out } = await recall(path);
  const rows = out === undefined ? ' --out FILE' : '';
  return [[`${programName()} resume --job ${job}${rows}`, 'go on']];
}
