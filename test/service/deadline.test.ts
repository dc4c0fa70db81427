import { expect, it, vi } from 'vitest';
import { Deadline } from '../../src/service/deadline.ts';

it('leaves no timer behind, though it is touched after its end', () => {
  vi.useFakeTimers();
  try {
    const disposed = new Deadline(undefined, 1000);
    disposed.touch();
    expect(vi.getTimerCount()).toBe(1);
    disposed[Symbol.dispose]();
    disposed.touch();
    expect(vi.getTimerCount()).toBe(0);
    const caller = new AbortController();
    const aborted = new Deadline(caller.signal, 1000);
    caller.abort(new Error('stop'));
    aborted.touch();
    expect(vi.getTimerCount()).toBe(0);
    expect(aborted.signal.aborted).toBe(true);
    expect(aborted.expired).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});
