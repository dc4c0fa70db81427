import { Duplex, type Transform } from 'node:stream';
import { UsageError } from '../core/errors.ts';

/**
 * What `stream.pipeline()` accepts between its source and its end: a function from one async
 * iterable to another. A user's own async generator is a stage as it stands.
 */
export type Stage<In, Out> = (
  source: AsyncIterable<In>,
  options?: { signal?: AbortSignal | undefined },
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

/** Stages that are wired wrongly: what a stage was given instead of what it takes, without its text. */
export function wiredWrongly(stage: string, takes: string, item: unknown): UsageError {
  const given =
    typeof item === 'object' && item !== null
      ? (item.constructor?.name ?? 'object')
      : item === null
        ? 'null'
        : typeof item;
  return new UsageError(`${stage} takes ${takes}, and was given an item of type ${given}`);
}

/** The stage as a classic object-mode Transform, for `.pipe()` chains. */
export function asTransform<In, Out>(stage: Stage<In, Out>): Transform {
  const stop = new AbortController();
  // Duplex.from over an async generator function has Transform's shape: writable in, readable out,
  // back-pressure and destroy both ways. Node types it as Duplex.
  const transform = Duplex.from((source: AsyncIterable<In>) =>
    stage(endedBy(source, stop.signal)),
  ) as Transform;
  const destroy = transform._destroy;
  transform._destroy = (error, done) => {
    stop.abort(error ?? undefined);
    destroy.call(transform, error, done);
  };
  return transform;
}

/**
 * The same items, ended by the signal also while the next one is waited for: Node 22 destroys a
 * Duplex once its generator has returned, which one that waits for an item never does.
 */
async function* endedBy<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  let stop: () => void = () => undefined;
  const onAbort = () => stop();
  signal.addEventListener('abort', onAbort);
  const items = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      signal.throwIfAborted();
      const item = await new Promise<IteratorResult<T>>((resolve, reject) => {
        stop = () => reject(signal.reason);
        items.next().then(resolve, reject);
      });
      if (item.done === true) return;
      yield item.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
