const RELEASE_ABOVE_BYTES = 4 * 1024 * 1024; // 4 MiB

/**
 * The unfinished end of one chunk, kept until the next one comes. Appending is amortised, so a
 * record that comes in many small chunks costs no more than its length.
 */
export class Carry {
  #store: Buffer = Buffer.alloc(0);
  #length = 0;

  /** Bytes kept. */
  get length(): number {
    return this.#length;
  }

  /** What was kept and the chunk in one piece. Valid until the next call of `join` or `keep`. */
  join(chunk: Uint8Array): Buffer {
    if (this.#length === 0) {
      return Buffer.isBuffer(chunk)
        ? chunk
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    this.#reserve(this.#length + chunk.length);
    this.#store.set(chunk, this.#length);
    this.#length += chunk.length;
    return this.#store.subarray(0, this.#length);
  }

  /** Keeps `data` from `from` on, where `data` is what the last `join` gave. */
  keep(data: Buffer, from: number): void {
    const length = data.length - from;
    if (length === 0) {
      this.#length = 0;
      if (this.#store.length > RELEASE_ABOVE_BYTES) this.#store = Buffer.alloc(0);
    } else if (this.#length > 0) {
      if (from > 0) this.#store.copyWithin(0, from, data.length);
      this.#length = length;
    } else {
      this.#reserve(length);
      this.#store.set(data.subarray(from), 0);
      this.#length = length;
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#store.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.#store.length * 2, 4096));
    this.#store.copy(grown, 0, 0, this.#length);
    this.#store = grown;
  }
}
