/** Time of one try without an answer, in ms; a create that is lost is looked for after multiples of it. */
export const DEFAULT_TIMEOUT_MS = 60 * 1000; // 60 s

/**
 * The signal of one try: aborted by the caller's own signal, or when nothing moved for too long.
 * One place adds the listener to the caller's signal and takes it away again, so that a signal that
 * lives as long as the job does not gather one listener a call.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;
  #expired = false;
  #disposed = false;

  /** Starts at once. `ms` is the longest time without a `touch`. */
  constructor(caller: AbortSignal | undefined, ms: number) {
    this.#caller = caller;
    this.#ms = ms;
    if (caller?.aborted) this.#controller.abort(caller.reason);
    else caller?.addEventListener('abort', this.#onAbort, { once: true });
    this.touch();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it was the time that ended the try. */
  get expired(): boolean {
    return this.#expired;
  }

  /**
   * Something moved: counts from zero again, to `ms` or the time given. A body may still be pulled
   * once the try is over; that must not leave a timer which holds up the end of the process.
   */
  touch(ms = this.#ms): void {
    clearTimeout(this.#timer);
    if (this.#disposed || this.#controller.signal.aborted) return;
    this.#timer = setTimeout(this.#onTime, ms);
  }

  /** Stops the clock, while the caller is the one who takes time. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  /** Ends the try without a listener or a timer left behind. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }

  #onAbort = (): void => {
    clearTimeout(this.#timer);
    this.#controller.abort(this.#caller?.reason);
  };

  #onTime = (): void => {
    this.#expired = true;
    this.#controller.abort(new Error('timed out'));
  };
}

/** The promise, or the signal's reason when that comes first. Leaves no listener behind. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
