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
  Pick<ServiceFlags, 'service' | 'blobContainer'>;

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
  if (flags.service !== undefined && flags.service !== 'local') delete before.service;
  return { ...before, ...told };
}

/**
 * Makes the target that the wish and the environment name, before a job directory is touched; null
 * for the local service, which lives in that directory. Throws a UsageError that says what to set.
 */
export async function remoteService(wish: ServiceWish): Promise<OpenService | null> {
  if (wish.service === 'local') return null;
  const { serviceFromEnv } = await import('../service/env.ts');
  const target = await serviceFromEnv({
    service: wish.service,
    auth: wish.auth,
    apiVersion: wish.apiVersion,
    enqueuedTokens: wish.enqueuedTokens,
    blobContainer: wish.blobContainer,
  });
  return { targets: [target], local: false, close: () => target.service.close() };
}

/** The service of a run: the remote one that was made, or the local one, started now. */
export async function serviceOf(
  remote: OpenService | null,
  directory: { readonly local: string },
  wish: ServiceWish,
): Promise<OpenService> {
  return remote ?? startLocal(directory.local, { enqueuedTokens: wish.enqueuedTokens });
}

/** Refuses to go on at another resource than the one where the job's batches are. */
export function checkResource(
  known: readonly string[],
  { targets }: Pick<OpenService, 'targets'>,
): void {
  const before = known[0];
  const now = targets[0]?.service.resource;
  if (before === undefined || now === undefined || before === now) return;
  const [address, container] = before.split(' with ');
  const other =
    container === undefined ? 'leave out --blob-container' : `add --blob-container ${container}`;
  const how =
    before === LOCAL_RESOURCE
      ? 'add --service local'
      : now.split(' with ')[0] === address
        ? other
        : `set AZURE_OPENAI_ENDPOINT or --service to ${address}${container === undefined ? '' : ` and ${other}`}`;
  throw new UsageError(
    `this job's batches are at ${before}, not at ${now}: ${how}, or begin another --job directory`,
  );
}

/** What a run may change, with the defaults of a service that is fast. */
export function settingsOf(wish: ServiceWish, local: boolean): Partial<Settings> {
  const pollIntervalMs = wish.pollInterval ?? (local ? LOCAL_POLL_MS : undefined);
  const submitGraceMs = wish.submitGrace ?? (local ? LOCAL_GRACE_MS : undefined);
  return {
    ...(pollIntervalMs === undefined ? {} : { pollIntervalMs }),
    ...(submitGraceMs === undefined ? {} : { submitGraceMs }),
    ...(wish.maxAttempts === undefined ? {} : { maxAttempts: wish.maxAttempts }),
    ...(wish.maxCost === undefined ? {} : { maxCost: wish.maxCost }),
    ...(wish.retryMismatch === undefined ? {} : { retryMismatch: wish.retryMismatch }),
    ...(wish.keep === undefined ? {} : { keep: wish.keep }),
  };
}
