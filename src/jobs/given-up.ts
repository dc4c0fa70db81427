import { ServiceError } from '../core/errors.ts';
import type { TargetRow } from '../core/job.ts';

/** Begins the reason for which a target is drained that could not be reached any more. */
export const LOST = 'target_lost';

/** Whether a failed call at the target is to be done without: it is lost, or refuses us for good. */
export function isGivenUp(row: TargetRow | undefined, error: unknown): boolean {
  if (row === undefined || row.drained === null || !(error instanceof ServiceError)) return false;
  return row.drained.startsWith(LOST) || !error.retryable;
}
