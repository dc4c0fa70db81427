import { MillraceError } from '../core/errors.ts';
import { jobRow, log } from './context.ts';
import type { Job } from './job.ts';

/** The note on a shard whose failed rows are to be taken out of its results. */
export const REOPENING = 'reopening';

/**
 * Reopens every failed row of a job: leaves the wish, from which the `retry` step takes the rows out
 * of the results and puts them into retry shards, with a new budget of attempts. Gives how many
 * there are; submit the job to go on, now or after a crash.
 */
export async function reopenFailed(job: Job): Promise<number> {
  return job.store.transaction(async (tx) => {
    const row = await jobRow(tx);
    if (row.state !== 'finished' && row.state !== 'cancelled') {
      throw new MillraceError(
        'job_running',
        `the job is ${row.state}: retry reopens failed rows once it is finished; resume it first`,
      );
    }
    let rows = 0;
    for (const shard of await tx.shards({ joinedAfter: 0 })) {
      if (shard.failed === 0) continue;
      await tx.moveShard(shard.name, shard.version, { state: 'joined', note: REOPENING });
      rows += shard.failed;
    }
    if (rows === 0) return 0;
    const prepared = (await tx.partitions()).every(({ state }) => state === 'prepared');
    await tx.updateJob(row.version, {
      state: row.planned && prepared ? 'running' : 'preparing',
      cancelRequested: false,
      rounds: row.rounds + 1,
    });
    await tx.putTask('retry', 'job', job.clock.now());
    await log(tx, job, 'reopened', 'job', { rows });
    return rows;
  });
}
