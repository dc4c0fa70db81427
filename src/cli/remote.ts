import { errorCode, MillraceError, UsageError } from '../core/errors.ts';
import type { BatchService } from '../core/service.ts';
import type { ServiceFlags } from './options/service.ts';

/** The flags of the verbs that look at a service rather than at a job. */
export interface RemoteFlags extends ServiceFlags {
  job?: string;
  json?: boolean;
}

/** What such a verb works on. */
export interface Remote {
  /** One for each resource; the names are those of the targets. */
  readonly resources: readonly { readonly name: string; readonly service: BatchService }[];
  /** The key of the job whose things alone are meant, or null for all. */
  readonly job: string | null;
}

/**
 * Opens the service that the flags, the job and the environment name, without the job's lock, and
 * closes it after `work`. `--job` narrows everything to that job; a job at the local service has its
 * service's data in its directory.
 */
export async function withRemote(
  flags: RemoteFlags,
  work: (remote: Remote) => Promise<number>,
): Promise<number> {
  if (flags.service === 'local' && flags.job === undefined) {
    throw new UsageError(
      '--service local needs --job DIR: the data of a local service lies in its job',
    );
  }
  const [{ remoteService, serviceOf, wishOf }, { recall }] = await Promise.all([
    import('./service.ts'),
    import('./memory.ts'),
  ]);
  const known = flags.job === undefined ? null : await knownJob(flags.job);
  const wish = wishOf(flags, flags.job === undefined ? {} : await recall(flags.job));
  const remote = await remoteService(wish);
  const service = await serviceOf(remote, { local: known?.local ?? '' }, wish).catch(atWork);
  const resources = new Map<string, Remote['resources'][number]>();
  for (const { name, service: one } of service.targets) {
    if (!resources.has(one.resource)) resources.set(one.resource, { name, service: one });
  }
  try {
    return await work({ resources: [...resources.values()], job: known?.key ?? null });
  } finally {
    await service.close();
  }
}

async function knownJob(path: string): Promise<{ key: string; local: string }> {
  const [{ withJobStore }, { jobRow }, { jobKey }] = await Promise.all([
    import('../jobs/job.ts'),
    import('../jobs/context.ts'),
    import('../jobs/listing.ts'),
  ]);
  return withJobStore(path, async (store, { local }) => ({
    key: jobKey(await store.read(jobRow)),
    local,
  }));
}

function atWork(error: unknown): never {
  if (errorCode(error) !== 'data_in_use') throw error;
  throw new MillraceError(
    'job_locked',
    'the local service of this job runs in the process that works on it: millrace status shows ' +
      'where it stands; look again when that has ended',
    { cause: error },
  );
}
