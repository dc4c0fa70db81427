const RELEASE_ABOVE_BYTES = 4 * 1024 * 1024; // 4 MiB
const NOWHERE: Buffer = Buffer.alloc(0);

/**
 * The unfinished end of one chunk, kept until the next one comes. Appending is amortised, so a
 * record that comes in many small chunks costs no more than its length. The chunk itself is not
 * needed any more once `keep` has returned.
 */
export class Carry {
  readonly #home: Buffer;
  #store: Buffer;
  #from = 0;
  #end = 0;
  /** Whether the last `join` gave a view of the store. */
  #joined = false;

  /** All that is joined is put into `home`, while it fits. Default: only what has to be joined is copied. */
  constructor(home: Buffer = NOWHERE) {
    this.#home = home;
    this.#store = home;
  }

  /** Bytes kept. */
  get length(): number {
    return this.#end - this.#from;
  }

  /** What was kept and the chunk in one piece. Valid until the next `join`. */
  join(chunk: Uint8Array): Buffer {
    const kept = this.length;
    const bytes = kept + chunk.length;
    this.#joined = kept > 0 || bytes <= this.#home.length;
    if (!this.#joined) return asBuffer(chunk);
    const store = bytes <= this.#home.length ? this.#home : this.#reserved(bytes);
    if (store !== this.#store || this.#from > 0) {
      this.#store.copy(store, 0, this.#from, this.#end);
    }
    store.set(chunk, kept);
    this.#store = store;
    this.#from = 0;
    this.#end = bytes;
    return store.subarray(0, bytes);
  }

  /** Keeps `data` from `from` on, where `data` is what the last `join` gave. */
  keep(data: Buffer, from: number): void {
    if (this.#joined) {
      this.#from = from;
    } else {
      const bytes = data.length - from;
      this.#store = this.#reserved(bytes);
      this.#store.set(data.subarray(from), 0);
      this.#from = 0;
      this.#end = bytes;
    }
    if (this.length === 0) {
      this.#from = this.#end = 0;
      if (this.#store.length > RELEASE_ABOVE_BYTES) this.#store = this.#home;
    }
  }

  /** The store, or a new one of that size. */
  #reserved(bytes: number): Buffer {
    if (bytes <= this.#store.length) return this.#store;
    return Buffer.allocUnsafeSlow(Math.max(bytes, this.#store.length * 2, 4096));
  }
}

/** The same bytes as a Buffer, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
