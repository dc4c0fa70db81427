import { ServiceError } from '../../core/errors.ts';
import { log, type Step, targetsOf } from '../context.ts';
import { deleteOrphans } from '../orphans.ts';

/**
 * Counts the input files that others have on a resource, so that its quota is seen coming before an
 * upload is refused, and deletes those of this job that nothing refers to.
 */
export const survey: Step = async (context, task, signal) => {
  const targets = targetsOf(context, task.id);
  const service = targets[0]?.service;
  if (service === undefined) {
    await context.store.transaction((tx) => tx.doneTask(task));
    return;
  }
  let others: number;
  try {
    ({ others } = await deleteOrphans(context, service, signal));
  } catch (error) {
    // Whether it is refused there will be told by the call that is needed.
    if (!(error instanceof ServiceError) || error.retryable) throw error;
    await context.store.transaction((tx) => tx.doneTask(task));
    return;
  }
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    const rows = await tx.targets();
    for (const { name, credential } of targets) {
      const row = rows.find((one) => one.name === name);
      if (row === undefined) continue;
      // Which credential there is of several is known once one was taken.
      const words = credential?.() ?? null;
      if (row.othersFiles === others && row.credential === words) continue;
      await tx.updateTarget(name, row.version, { othersFiles: others, credential: words });
      await log(tx, context, 'surveyed', name, {
        credential: words,
        files_of_others: others,
        most_files: row.maxFiles,
      });
      await tx.putTask('grant', name, context.clock.now());
    }
  });
};
