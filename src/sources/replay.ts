/**
 * A stream whose beginning can be looked at any number of times before it is read once. What was
 * looked at is kept until then. A chunk has to stay as it is only until the next one is asked for.
 */
export class ReplayedInput implements AsyncIterable<Uint8Array> {
  readonly #rest: AsyncIterator<Uint8Array>;
  #seen: Uint8Array[] = [];

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#rest = input[Symbol.asyncIterator]();
  }

  /** The bytes from the beginning; ending it early leaves the stream open. */
  async *look(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; ; i++) {
      if (i === this.#seen.length) {
        if (i > 0) this.#seen[i - 1] = Buffer.from(this.#seen[i - 1]!);
        const next = await this.#rest.next();
        if (next.done === true) return;
        this.#seen.push(next.value);
      }
      yield this.#seen[i]!;
    }
  }

  /** The bytes from the beginning, for the last time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      const seen = this.#seen;
      this.#seen = [];
      yield* seen;
      for (;;) {
        const next = await this.#rest.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await this.#rest.return?.();
    }
  }
}
