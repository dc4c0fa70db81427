import { rm } from 'node:fs/promises';
import { type BatchObject, TERMINAL_STATUSES } from '../core/batch.ts';
import { MillraceError } from '../core/errors.ts';
import type { Target } from '../core/service.ts';
import type { Job } from './job.ts';
import { batchesSince, CLOCK_SKEW_MS, fileNamePrefix, ownersBy } from './listing.ts';
import { refuseForeignFiles } from './place.ts';

/** What a purge removed. */
export interface Purged {
  /** At the service: input files and answers of this job's batches. */
  readonly files: number;
}

/**
 * Removes every copy of a job's prompts and answers: at the service, if targets are given, then the
 * directory itself, which closes the job. Refuses while a batch of it is live, also one that the job
 * itself does not know, as its create was not answered.
 */
export async function purgeJob(
  job: Job,
  targets: readonly Target[] = [],
  signal?: AbortSignal,
): Promise<Purged> {
  const { batches, holds } = await job.store.read(async (tx) => ({
    batches: await tx.batches(),
    holds: await tx.openHolds(),
  }));
  const shown = await Promise.all(targets.map((target) => batchesAt(job, target, signal)));
  const live = new Set(
    [...(targets.length > 0 ? batches : []), ...shown.flat()]
      .filter(({ status }) => !TERMINAL_STATUSES.has(status))
      .map(({ id }) => id),
  );
  if (live.size > 0) {
    throw new MillraceError(
      'job_running',
      `${live.size} batches of this job are live: cancel it first, then purge`,
    );
  }
  let files = 0;
  for (const [at, { name, service }] of targets.entries()) {
    const ids = new Set<string>();
    const known = batches.filter(({ target }) => target === name);
    for (const { outputFileId, errorFileId } of [...known, ...(shown[at] ?? [])]) {
      for (const id of [outputFileId, errorFileId]) if (id !== null) ids.add(id);
    }
    for (const { target, fileId } of holds) if (target === name && fileId !== null) ids.add(fileId);
    for await (const file of service.listFiles(signal)) {
      if (file.name.startsWith(fileNamePrefix({ job }))) ids.add(file.id);
    }
    for (const id of ids) await service.deleteFile(id, signal);
    files += ids.size;
  }
  refuseForeignFiles(job.directory.path, 'remove');
  await job.close();
  await rm(job.directory.path, { recursive: true, force: true });
  return { files };
}

/** What a target's service shows of this job's batches. */
async function batchesAt(job: Job, { service }: Target, signal?: AbortSignal) {
  const { since, owners } = await job.store.read(async (tx) => ({
    since: ((await tx.job())?.createdAt ?? 0) - CLOCK_SKEW_MS,
    owners: ownersBy({ job }, await tx.holds()),
  }));
  const found: BatchObject[] = [];
  for await (const batch of batchesSince(service.listBatches(signal), since)) {
    if (owners(batch) !== null) found.push(batch);
  }
  return found;
}
