import type { Clock } from '../core/clock.ts';

/** A timer longer than 2^31 ms would fire at once. */
const LONGEST_MS = 1_000_000_000; // about 11 days

/** Resolves at a time, in ms since the epoch: true; or false as soon as the signal aborts. */
export async function sleepUntil(clock: Clock, at: number, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    if (signal.aborted) return false;
    const wait = at - clock.now();
    if (wait <= 0) return true;
    try {
      await clock.sleep(Math.min(wait, LONGEST_MS), signal);
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}
