import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';

/** `millrace status`: where a job stands, read without its lock. */
export function statusCommand(finish: Finish): Command {
  const command = new Command('status')
    .summary('show where a job stands, also while it runs')
    .description('Reads the job without disturbing whoever works on it. Calls no service.')
    .usage('--job DIR [--json]');
  addJobFlag(command);
  addGeneralFlags(command, '--json', 'one JSON object on standard output');
  return command.action((flags: { job: string; json?: boolean }) => finish(() => status(flags)));
}

async function status({ job, json }: { job: string; json?: boolean }): Promise<number> {
  const [{ withJobStore }, { readStatus }, screen, { Trouble }] = await Promise.all([
    import('../../jobs/job.ts'),
    import('../../jobs/status.ts'),
    import('../screen/status-table.ts'),
    import('../trouble.ts'),
  ]);
  return withJobStore(job, async (store, directory) => {
    const seen = await store.read(async (tx) => ({
      status: await readStatus(tx),
      shards: await tx.shards({ states: screen.NOTED_STATES }),
    }));
    if (json) process.stdout.write(`${JSON.stringify(seen.status)}\n`);
    else {
      const trouble = await new Trouble(store).read(Date.now());
      screen.showStatus({ ...seen, trouble }, directory.path);
    }
    return 0;
  });
}
