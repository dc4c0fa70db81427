import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { failpoint } from '../../core/failpoints.ts';
import type { Context, Step } from '../context.ts';
import { REOPENING } from '../reopen.ts';

/**
 * Removes the local files of a joined shard that nobody needs any more: its requests, since what
 * must be tried again was kept apart by the join; that too once it lies in a retry shard; and records
 * and downloads, unless rows are still to be read from them.
 */
export const clean: Step = async (context, task) => {
  const shard = await context.store.read((tx) => tx.shard(task.id));
  // What `retry` has just moved to the left-over rows is needed, though the row does not say so yet.
  const reopening = shard?.note === REOPENING;
  const joined = !reopening && (shard?.state === 'joined' || shard?.state === 'cleaned');
  if (shard !== undefined && joined && !context.settings.keep) {
    await removeFiles(context, shard.name, shard.leftover === 0);
  }
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    if (shard?.state !== 'joined' || shard.leftover > 0 || reopening) return;
    await tx.moveShard(shard.name, shard.version, { state: 'cleaned' });
    await tx.putTask('finish', 'job', context.clock.now());
  });
};

async function removeFiles(context: Context, shard: string, leftovers: boolean): Promise<void> {
  const { directory } = context;
  const read = existsSync(directory.rowIndex(shard));
  const paths = [
    directory.requests(shard),
    ...(read ? [] : [directory.records(shard)]),
    ...(read ? [] : [directory.download(shard, 'output'), directory.download(shard, 'error')]),
    ...(leftovers ? directory.kept(shard, 'leftover') : []),
  ];
  failpoint('clean.before');
  for (const path of paths) {
    await rm(path, { force: true });
    failpoint('clean.between');
  }
  failpoint('clean.after');
}
