import type { Store } from '../core/store.ts';
import { jobRow } from './context.ts';
import { withJobStore } from './job.ts';

/** Asks whoever holds the job in the directory to cancel it; works beside the holder. */
export function cancelJob(path: string): Promise<void> {
  return withJobStore(path, requestCancel);
}

/** Leaves a request that whoever holds the job follows within a second or so. */
export async function requestCancel(store: Store): Promise<void> {
  await store.transaction(async (tx) => {
    const job = await jobRow(tx);
    if (job.state === 'finished' || job.state === 'cancelled') return;
    await tx.updateJob(job.version, { cancelRequested: true });
  });
}
