import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorCode, MillraceError } from '../core/errors.ts';
import type { JobState } from '../core/job.ts';
import type { Reader } from '../core/store.ts';
import type { Job } from '../jobs/job.ts';
import { refuseForeignFiles, refuseOutputOverSource } from '../jobs/place.ts';
import { Interrupted, interruptible } from './interrupt.ts';
import { LOCAL_RESOURCE } from './local.ts';
import { recall, remember } from './memory.ts';
import type { QuotaFlags } from './options/limits.ts';
import type { OutputFlags } from './options/output.ts';
import type { ServiceFlags } from './options/service.ts';
import { programName } from './program-name.ts';
import { type Progress, startProgress } from './progress.ts';
import { near } from './screen/summary.ts';
import { shellWord } from './screen/words.ts';
import {
  checkResource,
  type KnownTarget,
  type OpenService,
  remoteService,
  type ServiceWish,
  serviceOf,
  wishOf,
} from './service.ts';

/** The flags of every verb that works on a job with a service. */
export interface SessionFlags extends ServiceFlags, QuotaFlags, OutputFlags {
  job: string;
  json?: boolean;
}

/** A job that is held by this process, its service, and what is shown of them. */
export interface Session {
  readonly job: Job;
  readonly service: OpenService;
  /** The flags, over what the job remembers of the run before. */
  readonly wish: ServiceWish;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Whether events go to standard error instead of words for people. */
  readonly json: boolean;
  /** When the work began, by performance.now(). */
  readonly begun: number;
}

export interface SessionOptions {
  /** `open` refuses a directory without a job. */
  readonly mode: 'create' | 'open';
  /** Checks that need what the job remembers, made before anything is opened. */
  readonly check?: (wish: ServiceWish) => void;
  /** Whether a finished job may still be sent something. Default false: it needs no service. */
  readonly reopens?: boolean;
}

/**
 * Opens the service and the job, shows progress while `work` goes on, and closes everything. The
 * first Ctrl-C ends the work at a safe point and tells the command that goes on.
 */
export async function withSession(
  flags: SessionFlags,
  options: SessionOptions,
  work: (session: Session) => Promise<number>,
): Promise<number> {
  const begun = performance.now();
  const path = resolve(flags.job);
  const { openJob, withJobStore } = await import('../jobs/job.ts');
  const isNew = options.mode === 'create' && !existsSync(join(path, 'job.db'));
  if (isNew) refuseForeignFiles(path, 'begin');
  const known = isNew
    ? null
    : await withJobStore(path, (store) => store.read(readKnown)).catch((error) => {
        // A process that died while it made the directory left a store without a job.
        if (options.mode === 'create' && errorCode(error) === 'no_job') return null;
        throw error;
      });
  const wish = wishOf(flags, await recall(path));
  options.check?.(wish);
  refuseOutputOverSource(wish.out, known?.sources ?? []);
  const over = known?.state === 'finished' && options.reopens !== true;
  const remote = over ? noService(known.targets) : await remoteService(wish);
  const job = await openJob(path, { mode: options.mode }).catch(async (error) => {
    await remote?.close();
    throw error;
  });
  let service: OpenService | undefined;
  let progress: Progress | undefined;
  try {
    service = await serviceOf(remote, job.directory, wish);
    checkResource(known?.targets ?? [], service);
    await remember(path, flags);
    progress = await startProgress(job.store, {
      screen: process.stderr,
      json: flags.json === true,
      free: service.local,
    });
    const open = { job, service, wish, progress, json: flags.json === true, begun };
    return await interruptible((signal) => work({ ...open, signal }));
  } catch (error) {
    if (error instanceof Interrupted) throw new Interrupted(await goOn(job, wish));
    throw errorCode(error) === 'paused' ? paused(error as Error, job, wish) : error;
  } finally {
    await progress?.stop();
    await (service ?? remote)?.close();
    await job.close();
  }
}

/** What is known of a job before it is opened: nothing yet in a directory that is only made. */
async function readKnown(tx: Reader): Promise<Known> {
  const job = await tx.job();
  const holds = await tx.openHolds();
  const targets = (await tx.targets()).map(({ name, resource }) => ({
    name,
    resource,
    live: holds.some((hold) => hold.target === name && hold.releasedAt === null),
  }));
  return {
    state: job?.state ?? null,
    targets,
    sources: job?.spec.sources.map(({ path: source }) => source) ?? [],
  };
}

interface Known {
  readonly state: JobState | null;
  readonly targets: readonly KnownTarget[];
  /** Paths; null for standard input. */
  readonly sources: readonly (string | null)[];
}

/** Stands in for the service of a job that is over. */
function noService(targets: readonly KnownTarget[]): OpenService {
  const local = targets.some(({ resource }) => resource === LOCAL_RESOURCE);
  return { targets: [], local, close: async () => undefined };
}

/** A job without a service, as `prepare` needs it: made if there is none. */
export async function withJob(
  path: string,
  work: (session: Pick<Session, 'job' | 'signal' | 'progress'>) => Promise<number>,
): Promise<number> {
  const { openJob } = await import('../jobs/job.ts');
  if (!existsSync(join(path, 'job.db'))) refuseForeignFiles(path, 'begin');
  const job = await openJob(path, { mode: 'create' });
  let progress: Progress | undefined;
  try {
    progress = await startProgress(job.store, {
      screen: process.stderr,
      json: false,
      free: true,
    });
    const open = { job, progress };
    return await interruptible((signal) => work({ ...open, signal }));
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted('stopped at a safe point: the same command goes on');
  } finally {
    await progress?.stop();
    await job.close();
  }
}

async function goOn(job: Job, wish: ServiceWish): Promise<string> {
  const { state, sources } = await job.store.read(readKnown);
  if (state === 'preparing' && sources.includes(null)) {
    return `${STOPPED}. Go on with the same command and the same input; what was sealed is skipped`;
  }
  const verb = state === 'cancelling' ? 'cancel' : 'resume';
  return `${STOPPED}. Go on with\n  ${commandOn(verb, job, wish)}`;
}

/** The reason of a pause says what to do; behind it stands the command that goes on then. */
function paused({ message, cause }: Error, job: Job, wish: ServiceWish): MillraceError {
  const more = message.startsWith('--max-cost') ? ' --max-cost MORE' : '';
  const text = `${message}\n  ${commandOn('resume', job, wish)}${more}`;
  return new MillraceError('paused', text, { retryable: true, cause });
}

function commandOn(verb: 'resume' | 'cancel', job: Job, wish: ServiceWish): string {
  const out = verb === 'resume' ? outWords(wish) : '';
  return `${programName()} ${verb} --job ${jobWord(job)}${serviceWords(wish)}${out}`;
}

const STOPPED = 'stopped at a safe point, nothing is lost';

/** The flags that a later command needs: an address is not remembered, as keys go to it. */
export function serviceWords({ service, targets, blobContainer }: ServiceWish): string {
  if (targets !== undefined) return ` --targets ${shellWord(targets)}`;
  const named =
    service === undefined || service === 'local' ? '' : ` --service ${shellWord(service)}`;
  return (
    named + (blobContainer === undefined ? '' : ` --blob-container ${shellWord(blobContainer)}`)
  );
}

/** What a later command has to be told where no run was told where the rows go. */
export function outWords({ out }: ServiceWish): string {
  return out === undefined ? ' --out FILE' : '';
}

/** The job's directory as one would type it. */
export function jobWord(job: Job): string {
  return shellWord(near(job.directory.path));
}
