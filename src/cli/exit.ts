import type { JobStatus } from '../jobs/status.ts';

/** Every row is ok. */
export const EXIT_OK = 0;
/** Usage, a failure, or a job that is paused. */
export const EXIT_FAILED = 1;
/** The job is over, with rows that failed or were rejected. */
export const EXIT_ROWS = 2;
/** Stopped by the user; `resume` goes on. */
export const EXIT_INTERRUPTED = 130;

/** What a job's end means to a script. */
export function exitCodeOf(
  status: Pick<JobStatus, 'state' | 'failed' | 'rejected' | 'pending'>,
): number {
  if (status.state === 'paused') return EXIT_FAILED;
  const missing = status.state === 'cancelled' ? status.pending : 0;
  return status.failed + status.rejected + missing > 0 ? EXIT_ROWS : EXIT_OK;
}
