import { type FileObject, TERMINAL_STATUSES } from '../core/batch.ts';
import type { BatchService } from '../core/service.ts';
import { ownerOfBatch, ownerOfFile } from './listing.ts';

export interface GarbageOptions {
  /** Files made after it are left alone: an upload under way has no batch yet. ms since the epoch. */
  readonly before: number;
  /** Only those of this job, by its key; null for every job of ours. */
  readonly job: string | null;
}

/** What a resource holds of input files. */
export interface Inventory {
  /** All of them, whoever made them: what the quota counts. */
  readonly files: number;
  /** Those that no batch needs and that a job of ours left behind, oldest first. */
  readonly garbage: readonly FileObject[];
}

/**
 * Finds the input files that jobs of ours left at a resource: known by their names, of jobs without
 * a live batch there. A file of anybody else is never among them. One that a job would still send is
 * not lost with it: the job uploads its shard again.
 */
export async function findGarbage(
  service: BatchService,
  { before, job }: GarbageOptions,
  signal?: AbortSignal,
): Promise<Inventory> {
  const inUse = new Set<string>();
  const liveJobs = new Set<string>();
  const candidates: FileObject[] = [];
  let files = 0;
  // Files first: a batch that is made in between is then seen, and its file stays.
  for await (const file of service.listFiles(signal)) {
    files += 1;
    const owner = ownerOfFile(file.name);
    if (owner === null || (job !== null && owner.job !== job)) continue;
    // A file whose age nobody tells may be a minute old.
    if (file.createdAt !== null && file.createdAt < before) candidates.push(file);
  }
  if (candidates.length > 0) {
    for await (const batch of service.listBatches(signal)) {
      if (TERMINAL_STATUSES.has(batch.status)) continue;
      if (batch.inputFileId !== null) inUse.add(batch.inputFileId);
      const owner = ownerOfBatch(batch);
      if (owner !== null) liveJobs.add(owner.job);
    }
  }
  const garbage = candidates
    .filter(({ id, name }) => !inUse.has(id) && !liveJobs.has(ownerOfFile(name)?.job ?? ''))
    .sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
  return { files, garbage };
}
