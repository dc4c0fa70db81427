import { Duplex, type Transform } from 'node:stream';

/**
 * What `stream.pipeline()` accepts between its source and its end: a function from one async
 * iterable to another. A user's own async generator is a stage as it stands.
 */
export type Stage<In, Out> = (
  source: AsyncIterable<In>,
  options?: { signal?: AbortSignal },
) => AsyncIterable<Out>;

/**
 * Makes a stage of a generator and owns its abort check: `pipeline()` does not stop plain async
 * generators on abort when its last step is an async function, so every item passes the check.
 */
export function defineStage<In, Out>(
  run: (source: AsyncIterable<In>, signal: AbortSignal | undefined) => AsyncIterable<Out>,
): Stage<In, Out> {
  return (source, options) => {
    const signal = options?.signal;
    return abortable(run(abortable(source, signal), signal), signal);
  };
}

/** The same items; throws the signal's reason before the next one once the signal is aborted. */
export function abortable<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  return signal === undefined ? source : untilAborted(source, signal);
}

async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  signal.throwIfAborted();
  for await (const item of source) {
    signal.throwIfAborted();
    yield item;
  }
}

/** The stage as a classic object-mode Transform, for `.pipe()` chains. */
export function asTransform<In, Out>(stage: Stage<In, Out>): Transform {
  // Duplex.from over an async generator function has Transform's shape: writable in, readable out,
  // back-pressure and destroy both ways. Node types it as Duplex.
  return Duplex.from((source: AsyncIterable<In>) => stage(source)) as Transform;
}
