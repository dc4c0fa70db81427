import { rm } from 'node:fs/promises';
import { TERMINAL_STATUSES } from '../core/batch.ts';
import { MillraceError } from '../core/errors.ts';
import type { Target } from '../core/service.ts';
import type { Job } from './job.ts';
import { refuseForeignFiles } from './place.ts';

/** What a purge removed. */
export interface Purged {
  /** At the service: input files and answers of this job's batches. */
  readonly files: number;
}

/**
 * Removes every copy of a job's prompts and answers: at the service, if targets are given, then the
 * directory itself, which closes the job. Refuses while a batch of it is live.
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
  const live = batches.filter(({ status }) => !TERMINAL_STATUSES.has(status));
  if (live.length > 0 && targets.length > 0) {
    throw new MillraceError(
      'job_running',
      `${live.length} batches of this job are live: cancel it first, then purge`,
    );
  }
  let files = 0;
  for (const { name, service } of targets) {
    const ids = new Set<string>();
    for (const batch of batches) {
      if (batch.target !== name) continue;
      for (const id of [batch.outputFileId, batch.errorFileId]) if (id !== null) ids.add(id);
    }
    for (const { target, fileId } of holds) if (target === name && fileId !== null) ids.add(fileId);
    for await (const file of service.listFiles(signal)) {
      if (file.name.startsWith(`millrace.${job.name}.${job.uid}.`)) ids.add(file.id);
    }
    for (const id of ids) await service.deleteFile(id, signal);
    files += ids.size;
  }
  refuseForeignFiles(job.directory.path, 'remove');
  await job.close();
  await rm(job.directory.path, { recursive: true, force: true });
  return { files };
}
