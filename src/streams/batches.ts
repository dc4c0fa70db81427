/**
 * Single items of a source that comes in batches. Only a new batch is waited for: the items of one
 * that is there are given as promises already fulfilled, which costs a fraction of an asynchronous
 * generator that yields each. Ending it early ends the source.
 */
export class EachOf<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #batches: AsyncIterator<Iterable<T>, unknown, undefined>;
  readonly #signal: AbortSignal | undefined;
  #batch: Iterator<T> = [][Symbol.iterator]();
  #done = false;
  #filling: Promise<void> | null = null;

  /** Throws the signal's reason before the next item once the signal is aborted. */
  constructor(batches: AsyncIterable<Iterable<T>>, signal?: AbortSignal | undefined) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#signal?.aborted === true || this.#filling !== null) return this.#wait();
    try {
      const item = this.#batch.next();
      return item.done === true ? this.#wait() : Promise.resolve(item);
    } catch (error) {
      return this.#fail(error);
    }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#end();
    await this.#batches.return?.();
    return { value: undefined, done: true };
  }

  /** Waits for the next batch; pulls made meanwhile wait for the same one. */
  async #wait(): Promise<IteratorResult<T, undefined>> {
    while (!this.#done) {
      if (this.#signal?.aborted === true) return this.#fail(this.#signal.reason);
      this.#filling ??= this.#fill();
      await this.#filling;
      if (!this.#done) return this.next();
    }
    return { value: undefined, done: true };
  }

  async #fill(): Promise<void> {
    try {
      const { value, done } = await this.#batches.next();
      if (done === true) this.#end();
      else if (!this.#done) this.#batch = value[Symbol.iterator]();
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      this.#filling = null;
    }
  }

  async #fail(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  #end(): void {
    this.#done = true;
    this.#batch = [][Symbol.iterator]();
  }
}
