import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';

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
  const [{ withJobStore }, { readStatus }, { shardStatuses }, screen, { Trouble }] =
    await Promise.all([
      import('../../jobs/job.ts'),
      import('../../jobs/status.ts'),
      import('../../jobs/shard-status.ts'),
      import('../screen/status-table.ts'),
      import('../trouble.ts'),
    ]);
  return withJobStore(job, async (store, directory) => {
    const seen = await store.read(async (tx) => ({
      status: await readStatus(tx),
      shards: await tx.shards({ states: screen.NOTED_STATES }),
      each: shards ? await shardStatuses(tx) : null,
    }));
    const { status: now, each } = seen;
    if (json) {
      const all = each === null ? now : { ...now, shard_list: each };
      process.stdout.write(`${JSON.stringify(all)}\n`);
    } else {
      const trouble = await new Trouble(store).read(Date.now());
      screen.showStatus({ ...seen, trouble }, directory.path);
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
