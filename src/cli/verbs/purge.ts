import { Command } from 'commander';
import { UsageError } from '../../core/errors.ts';
import { agreed } from '../ask.ts';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addServiceFlags, checkServiceFlags, type ServiceFlags } from '../options/service.ts';

type PurgeFlags = ServiceFlags & { job: string; yes?: boolean; localOnly?: boolean };

/** `millrace purge`: removes every copy of a job's prompts and answers. */
export function purgeCommand(finish: Finish): Command {
  const command = new Command('purge')
    .summary("remove a job's files, here and at the service")
    .description(
      "Deletes the job's files at the service and then its directory. The --out file stays.",
    )
    .usage('--job DIR [--yes] [options]');
  addJobFlag(command)
    .option('--yes', 'do not ask')
    .option('--local-only', 'leave the files at the service');
  addServiceFlags(command);
  addGeneralFlags(command);
  return command.action((flags: PurgeFlags) => finish(() => purge(flags)));
}

async function purge(flags: PurgeFlags): Promise<number> {
  checkServiceFlags(flags);
  const [
    { openJob },
    { purgeJob },
    service,
    { recall },
    { plural },
    { LOCAL_RESOURCE },
    { refuseForeignFiles },
  ] = await Promise.all([
    import('../../jobs/job.ts'),
    import('../../jobs/purge.ts'),
    import('../service.ts'),
    import('../memory.ts'),
    import('../screen/words.ts'),
    import('../local.ts'),
    import('../../jobs/place.ts'),
  ]);
  const wish = service.wishOf(flags, await recall(flags.job));
  const job = await openJob(flags.job, { mode: 'open' });
  try {
    refuseForeignFiles(job.directory.path, 'remove');
    const targets = await job.store.read((tx) => tx.targets());
    const known = targets.map(({ name, resource }) => ({ name, resource, live: true }));
    // The local service's files lie in the directory; a job that was never sent has none.
    const needsService =
      !flags.localOnly && known.some(({ resource }) => resource !== LOCAL_RESOURCE);
    const open = needsService ? await service.remoteService(wish).catch(orLocalOnly) : null;
    try {
      if (open !== null) service.checkResource(known, open);
      const what = `${job.directory.path}${needsService ? ' and its files at the service' : ''}`;
      if (!(await agreed(flags.yes, `Remove ${what}?`, `purge removes ${what}`))) return 1;
      const { files } = await purgeJob(job, open?.targets ?? []);
      const there = needsService ? ` and ${plural(files, 'file')} at the service` : '';
      process.stderr.write(`Removed ${job.directory.path}${there}.\n`);
      return 0;
    } finally {
      await open?.close();
    }
  } finally {
    await job.close();
  }
}

function orLocalOnly(error: unknown): never {
  if (!(error instanceof UsageError)) throw error;
  throw new UsageError(
    `${error.message}; --local-only removes what is here, and leaves what is there`,
  );
}
