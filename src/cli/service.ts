import { UsageError } from '../core/errors.ts';
import type { Target } from '../core/service.ts';
import type { Settings } from '../jobs/context.ts';
import { LOCAL_GRACE_MS, LOCAL_POLL_MS, LOCAL_RESOURCE, startLocal } from './local.ts';
import type { Remembered } from './memory.ts';
import type { QuotaFlags } from './options/limits.ts';
import type { OutputFlags } from './options/output.ts';
import type { ServiceFlags } from './options/service.ts';

/** A service that is ready to be called, and what ends it. */
export interface OpenService {
  readonly targets: readonly Target[];
  /** Whether it is the one in this process: no key, no cost. */
  readonly local: boolean;
  close(): Promise<void>;
}

/** What a run is told of its service: the flags, over what the job remembers. */
export type ServiceWish = Omit<Remembered, 'service'> &
  Pick<ServiceFlags, 'service' | 'targets' | 'blobContainer'>;

/** Flags that were given win over those of the run before. */
export function wishOf(
  flags: ServiceFlags & QuotaFlags & OutputFlags,
  remembered: Remembered,
): ServiceWish {
  const told = Object.fromEntries(
    Object.entries(flags).filter(([, value]) => value !== undefined && value !== false),
  );
  const before = { ...remembered };
  // Another service than the local one is named anew: by the flag, else by the environment.
  const elsewhere = flags.service !== undefined && flags.service !== 'local';
  if (elsewhere || flags.targets !== undefined) delete before.service;
  return { ...before, ...told };
}

/**
 * Makes the target that the wish and the environment name, before a job directory is touched; null
 * for the local service, which lives in that directory. Throws a UsageError that says what to set.
 */
export async function remoteService(wish: ServiceWish): Promise<OpenService | null> {
  if (wish.service === 'local') return null;
  const [{ serviceFromEnv }, { readTargets }] = await Promise.all([
    import('../service/env.ts'),
    import('./targets-file.ts'),
  ]);
  const { enqueuedTokens } = wish;
  const { service, auth, apiVersion, blobContainer } = wish;
  const settings =
    wish.targets === undefined
      ? [{ service, auth, apiVersion, blobContainer }]
      : readTargets(wish.targets);
  const targets: Target[] = [];
  for (const each of settings) targets.push(await serviceFromEnv({ enqueuedTokens, ...each }));
  const close = async () => {
    await Promise.all(targets.map((target) => target.service.close()));
  };
  return { targets, local: false, close };
}

/** The service of a run: the remote one that was made, or the local one, started now. */
export async function serviceOf(
  remote: OpenService | null,
  directory: { readonly local: string },
  wish: ServiceWish,
): Promise<OpenService> {
  return remote ?? startLocal(directory.local, { enqueuedTokens: wish.enqueuedTokens });
}

/** A target of a job's runs before, and whether something of it is still there. */
export interface KnownTarget {
  readonly name: string;
  readonly resource: string;
  readonly live: boolean;
}

/** Refuses to go on at other resources than those where the job's batches are. */
export function checkResource(
  known: readonly KnownTarget[],
  { targets }: Pick<OpenService, 'targets'>,
): void {
  if (targets.length === 0) return;
  for (const { name, resource, live } of known) {
    const now = targets.find((target) => target.name === name)?.service.resource;
    if (now === resource || (now === undefined && !live)) continue;
    const where = now ?? targets.map((target) => target.service.resource).join(', ');
    throw new UsageError(
      `this job's batches are at ${resource}, not at ${where}: ${howToName(name, resource, now)}, or ` +
        'begin another --job directory',
    );
  }
}

/** What to add or set to get from one resource to another. */
function howToName(name: string, wanted: string, now: string | undefined): string {
  if (wanted === LOCAL_RESOURCE) return 'add --service local';
  if (name !== 'default') return `give --targets with the target "${name}" at ${wanted}`;
  const [address, container] = wanted.split(BY_BLOBS);
  const [addressNow, containerNow] = now?.split(BY_BLOBS) ?? [];
  const ways: string[] = [];
  if (address !== addressNow) ways.push(`set AZURE_OPENAI_ENDPOINT or --service to ${address}`);
  if (container !== containerNow) {
    ways.push(
      container === undefined ? 'leave out --blob-container' : `add --blob-container ${container}`,
    );
  }
  return ways.join(' and ');
}

/** Stands between the service and the container in a resource's name. */
const BY_BLOBS = ' with ';

/** What a run may change, with the defaults of a service that is fast. */
export function settingsOf(wish: ServiceWish, local: boolean): Partial<Settings> {
  const pollIntervalMs = wish.pollInterval ?? (local ? LOCAL_POLL_MS : undefined);
  const submitGraceMs = wish.submitGrace ?? (local ? LOCAL_GRACE_MS : undefined);
  return {
    ...(pollIntervalMs === undefined ? {} : { pollIntervalMs }),
    ...(submitGraceMs === undefined ? {} : { submitGraceMs }),
    ...(wish.maxAttempts === undefined ? {} : { maxAttempts: wish.maxAttempts }),
    ...(wish.maxCost === undefined ? {} : { maxCost: wish.maxCost }),
    ...(wish.dynamicQuota === undefined ? {} : { dynamicQuota: wish.dynamicQuota }),
    ...(wish.retryMismatch === undefined ? {} : { retryMismatch: wish.retryMismatch }),
    ...(wish.keep === undefined ? {} : { keep: wish.keep }),
  };
}
