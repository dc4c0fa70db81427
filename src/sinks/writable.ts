import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { UsageError } from '../core/errors.ts';
import type { ResultRow } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';

/**
 * A Writable as a sink, its back-pressure respected: one in object mode gets the rows, any other one
 * gets them as lines of JSON. `close` ends it and waits until it has finished; `abort` destroys it.
 */
export function toWritable(writable: Writable): Sink {
  return new WritableSink(writable);
}

/** A sink as it is, or a Writable as one. Throws a UsageError for anything else. */
export function sinkOf(out: Writable | Sink): Sink {
  const has = (name: string) =>
    typeof (out as unknown as Record<string, unknown>)[name] === 'function';
  if (out instanceof Writable) return toWritable(out);
  if (['write', 'close', 'abort'].every(has)) return out as Sink;
  // A stream of another copy of Node's streams.
  if (['write', 'end', 'on'].every(has)) return toWritable(out as unknown as Writable);
  throw new UsageError(
    'the sink is neither a Writable nor an object with the methods write, close and abort',
  );
}

class WritableSink implements Sink {
  readonly #writable: Writable;
  readonly #onError = (error: Error) => {
    this.#failure = error;
  };
  #failure: Error | null = null;

  constructor(writable: Writable) {
    this.#writable = writable;
    writable.on('error', this.#onError);
  }

  write(row: ResultRow): void | Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const item = this.#writable.writableObjectMode ? row : `${JSON.stringify(row)}\n`;
    if (!this.#writable.write(item)) return this.#room();
  }

  async close(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const done = finished(this.#writable, { readable: false });
    this.#writable.end();
    await done;
    this.#writable.off('error', this.#onError);
  }

  async abort(): Promise<void> {
    this.#writable.destroy();
  }

  #room(): Promise<void> {
    const writable = this.#writable;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        writable.off('drain', settle);
        writable.off('error', settle);
        writable.off('close', closed);
        if (error === undefined) resolve();
        else reject(error);
      };
      const closed = () => settle(this.#failure ?? new Error('the Writable was closed too early'));
      writable.on('drain', settle);
      writable.on('error', settle);
      writable.on('close', closed);
      if (writable.destroyed) closed();
    });
  }
}
