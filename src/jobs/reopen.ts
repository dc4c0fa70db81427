import { MillraceError } from '../core/errors.ts';
import { dropFailed } from '../join/drop-failed.ts';
import { jobRow, log } from './context.ts';
import type { Job } from './job.ts';

/**
 * Reopens every failed row of a job: takes it out of the results and leaves it over for a retry
 * shard, with a new budget of attempts. Gives how many there were; submit the job to go on. A call
 * that was cut short is finished by the same call.
 */
export async function reopenFailed(job: Job): Promise<number> {
  const shards = await job.store.read(async (tx) => {
    const row = await jobRow(tx);
    if (row.state !== 'finished' && row.state !== 'cancelled') {
      throw new MillraceError(
        'job_running',
        `the job is ${row.state}: retry reopens failed rows once it is finished; resume it first`,
      );
    }
    return (await tx.shards({ joinedAfter: 0 })).filter(({ failed }) => failed > 0);
  });
  for (const shard of shards) {
    const { dropped } = await dropFailed(job.directory.path, shard.name);
    await job.store.transaction((tx) =>
      tx.moveShard(shard.name, shard.version, { state: 'joined', failed: 0, leftover: dropped }),
    );
  }
  return job.store.transaction(async (tx) => {
    const row = await jobRow(tx);
    const reopened = await tx.shards({ leftover: true });
    const rows = reopened.reduce((sum, { leftover }) => sum + leftover, 0);
    if (rows === 0) return 0;
    await tx.updateJob(row.version, { state: 'running', rounds: row.rounds + 1 });
    await tx.putTask('retry', 'job', job.clock.now());
    await log(tx, job, 'reopened', 'job', { rows });
    return rows;
  });
}
