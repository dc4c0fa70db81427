const RELEASE_ABOVE_BYTES = 4 * 1024 * 1024; // 4 MiB

/**
 * The unfinished end of one chunk, kept until the next one comes. Appending is amortised, so a
 * record that comes in many small chunks costs no more than its length. The chunk itself is not
 * needed any more once `keep` has returned.
 */
export class Carry {
  #store: Buffer = Buffer.alloc(0);
  #from = 0;
  #end = 0;
  /** Whether the last `join` gave a view of the store. */
  #joined = false;

  /** Bytes kept. */
  get length(): number {
    return this.#end - this.#from;
  }

  /** What was kept and the chunk in one piece. Valid until the next `join`. */
  join(chunk: Uint8Array): Buffer {
    this.#joined = this.length > 0;
    if (!this.#joined) return asBuffer(chunk);
    if (this.#from > 0) this.#store.copyWithin(0, this.#from, this.#end);
    this.#end -= this.#from;
    this.#from = 0;
    this.#reserve(this.#end + chunk.length);
    this.#store.set(chunk, this.#end);
    this.#end += chunk.length;
    return this.#store.subarray(0, this.#end);
  }

  /** Keeps `data` from `from` on, where `data` is what the last `join` gave. */
  keep(data: Buffer, from: number): void {
    if (this.#joined) {
      this.#from = from;
    } else {
      this.#from = this.#end = 0;
      this.#reserve(data.length - from);
      this.#store.set(data.subarray(from), 0);
      this.#end = data.length - from;
    }
    if (this.length === 0) {
      this.#from = this.#end = 0;
      if (this.#store.length > RELEASE_ABOVE_BYTES) this.#store = Buffer.alloc(0);
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#store.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.#store.length * 2, 4096));
    this.#store.copy(grown, 0, 0, this.#end);
    this.#store = grown;
  }
}

/** The same bytes as a Buffer, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
