import { createReadStream, existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { MillraceError } from '../core/errors.ts';
import type { Partition } from '../core/job.ts';
import { AtomicFile } from '../streams/atomic-file.ts';
import type { JobDirectory } from './directory.ts';

/**
 * Puts the rejected rows of all partitions, which are prepared, into one file and drops their parts.
 * `anew` where a file that is there may tell of other records. Safe to do again after a crash; throws
 * `rejected_gone` when neither the parts nor the file are there.
 */
export async function gatherRejected(
  directory: JobDirectory,
  partitions: readonly Partition[],
  anew: boolean,
): Promise<void> {
  const parts = partitions.filter(({ progress }) => progress.rejectedBytes > 0);
  const there = existsSync(directory.rejected);
  if (parts.some(({ name }) => !existsSync(directory.rejectedPart(name)))) {
    // The first part is dropped when the file is whole.
    const bytes = parts.reduce((sum, { progress }) => sum + progress.rejectedBytes, 0);
    if (!there || (await stat(directory.rejected)).size !== bytes) throw rejectedGone(directory);
  } else if (anew || !there) {
    await gather(directory, parts);
  }
  for (const { name } of partitions) await rm(directory.rejectedPart(name), { force: true });
}

async function gather(directory: JobDirectory, parts: readonly Partition[]): Promise<void> {
  const file = await AtomicFile.create(directory.rejected);
  try {
    for (const { name, progress } of parts) {
      const part = createReadStream(directory.rejectedPart(name), {
        end: progress.rejectedBytes - 1,
      });
      for await (const block of part) await file.write(block);
    }
    await file.commit();
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** The rejected rows are not where they have to be. */
export function rejectedGone({ rejected }: JobDirectory): MillraceError {
  return new MillraceError(
    'rejected_gone',
    `${rejected} is gone, which held the rejected rows: put it back, or prepare the job anew`,
  );
}
