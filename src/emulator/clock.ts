import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface VirtualClock extends Clock {
  /**
   * Lets `ms` pass: wakes every sleeper whose time comes, in the order of their times, each at its
   * own time. Resolves after the last one has had some turns of the event loop.
   */
  advance(ms: number): Promise<void>;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Turns that a woken sleeper gets to go on in before the next one is woken. */
const TURNS = 4;

/** A virtual clock that begins at `start`, in ms since the epoch. */
export function virtualClock(start: number = Date.UTC(2024, 6, 19, 17, 13, 57)): VirtualClock {
  let now = start;
  const sleepers = new Set<Sleeper>();
  return {
    now: () => now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const end = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', abort);
        };
        const abort = () => {
          end();
          reject(signal?.reason);
        };
        const wake = () => {
          end();
          resolve();
        };
        const sleeper = { at: now + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', abort);
      });
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        let next: Sleeper | undefined;
        for (const sleeper of sleepers) {
          if (sleeper.at <= end && (next === undefined || sleeper.at < next.at)) next = sleeper;
        }
        if (next === undefined) break;
        now = Math.max(now, next.at);
        next.wake();
        for (let count = 0; count < TURNS; count += 1) await turn();
      }
      now = end;
      for (let count = 0; count < TURNS; count += 1) await turn();
    },
  };
}
