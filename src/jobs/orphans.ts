import type { FileObject } from '../core/batch.ts';
import { failpoint } from '../core/failpoints.ts';
import type { BatchService } from '../core/service.ts';
import type { Reader } from '../core/store.ts';
import { type Context, log } from './context.ts';
import { fileNamePrefix } from './listing.ts';
import { refusalOf } from './refusal.ts';

/**
 * Deletes the files of this job that nothing refers to: those of uploads whose answer was lost and
 * whose attempt is over. They are known by the beginning of their names, which holds the job's own
 * random id. Gives how many of others it saw.
 */
export async function deleteOrphans(
  context: Context,
  service: BatchService,
  signal: AbortSignal,
): Promise<{ others: number }> {
  const prefix = fileNamePrefix(context);
  const ours: FileObject[] = [];
  let others = 0;
  for await (const file of service.listFiles(signal)) {
    if (file.name.startsWith(prefix)) ours.push(file);
    else others += 1;
  }
  const kept: { file: string; code: string }[] = [];
  let deleted = 0;
  for (const file of ours) {
    // Asked file by file, just before: an upload under way may have been adopted by now.
    if (await context.store.read((tx) => isWanted(tx, file, prefix))) continue;
    const refusal = await refusalOf(service.deleteFile(file.id, signal));
    failpoint('orphan.deleted');
    if (refusal === null) deleted += 1;
    else kept.push({ file: file.id, code: refusal });
  }
  for (const detail of kept) {
    await context.store.transaction((tx) =>
      log(tx, context, 'file_kept', service.resource, detail),
    );
  }
  if (deleted > 0) {
    await context.store.transaction((tx) =>
      log(tx, context, 'orphans_deleted', service.resource, { files: deleted }),
    );
  }
  return { others };
}

/** Whether an attempt has the file, or is about to look for it. */
async function isWanted(tx: Reader, file: FileObject, prefix: string): Promise<boolean> {
  const holds = await tx.openHolds();
  if (holds.some(({ fileId }) => fileId === file.id)) return true;
  return holds.some(
    ({ shard, attempt, fileId, releasedAt }) =>
      fileId === null &&
      releasedAt === null &&
      file.name.startsWith(`${prefix}${shard}.${attempt}.`),
  );
}
