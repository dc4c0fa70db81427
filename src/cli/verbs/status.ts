import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { SourceSpec } from '../../core/job.ts';
import type { JobDirectory } from '../../jobs/directory.ts';
import type { JobStatus } from '../../jobs/status.ts';
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
      // Where nobody is at work, nothing is tried again.
      const trouble = active ? await new Trouble(store).read(Date.now()) : null;
      const next = active ? [] : await goOn(now, seen.sources, directory);
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
  { state, pause, targets }: JobStatus,
  sources: readonly SourceSpec[],
  directory: JobDirectory,
): Promise<NextCommand[]> {
  const [{ programName }, { near }, { shellWord }, { recall }, { namesIn }] = await Promise.all([
    import('../program-name.ts'),
    import('../screen/summary.ts'),
    import('../screen/words.ts'),
    import('../memory.ts'),
    import('../../jobs/place.ts'),
  ]);
  const job = shellWord(near(directory.path));
  const { out, service } = await recall(directory.path);
  if (state === 'finished') {
    const isWritten = out === undefined || out === '-' || existsSync(out);
    if (isWritten || namesIn(join(directory.path, 'results')).length === 0) return [];
    return [[`${programName()} resume --job ${job}`, `write ${near(out)}, which is not there`]];
  }
  const isRead = sources.length > 0 && sources.every(({ path }) => path !== null);
  if (state === 'preparing' && !isRead) {
    return [[`${programName()} run ... --job ${job}`, 'the same command, with the same input']];
  }
  // An address is not remembered, as keys go to it.
  const unnamed = service !== 'local' && process.env.AZURE_OPENAI_ENDPOINT === undefined;
  const at = targets.length > 1 ? ' --targets FILE' : unnamed ? ' --service URL' : '';
  if (state === 'cancelling') {
    return [[`${programName()} cancel --job ${job}${at}`, 'cancel what is still at the service']];
  }
  const rows = out === undefined ? ' --out FILE' : '';
  const more = pause?.startsWith('--max-cost') ? ' --max-cost MORE' : '';
  return [[`${programName()} resume --job ${job}${at}${more}${rows}`, 'go on']];
}
