import type { TextEncoding } from './encoder.ts';
import { TEXT } from './layout.ts';
import {
  type CountingKernel,
  claimRegion,
  type EncodingTables,
  openKernel,
  type Region,
} from './tables.ts';

/** Room for a longer text is let go with the next text that needs none of it. */
const KEPT_BYTES = 8 * 1024 * 1024; // 8 MiB

/** A new counter of an encoding, with memories of its own. */
export function exactEncoding(name: EncodingTables['name']): ExactEncoding {
  return new ExactEncoding(name);
}

/** Exact counts of one encoding: split into pieces, each looked up or encoded. Not for two texts at once. */
export class ExactEncoding implements TextEncoding {
  readonly #name: EncodingTables['name'];
  readonly #kernel: CountingKernel;
  readonly #region: Region;
  readonly #room: number;
  /** Where the kernel looks for the text. */
  readonly #text: Buffer;
  /** For texts that are longer than the others. */
  #larger: ExactEncoding | null = null;

  constructor(name: EncodingTables['name'], wanted?: number) {
    const { tables, region } = claimRegion(name, wanted);
    this.#name = name;
    this.#kernel = openKernel(tables.memory);
    this.#region = region;
    this.#room = tables.room;
    this.#text = Buffer.from(tables.memory.buffer, region.start + TEXT, tables.room);
  }

  countText(text: string): number {
    if (3 * text.length > this.#room) {
      const bytes = Buffer.byteLength(text);
      if (bytes > this.#room) return this.#largerFor(bytes).countText(text);
    }
    return this.#count(this.#text.write(text, 0));
  }

  countUtf8(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const size = end - start;
    if (size > this.#room) return this.#largerFor(size).countUtf8(bytes, start, end);
    this.#text.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return this.#count(size);
  }

  #count(size: number): number {
    if (this.#larger !== null && this.#larger.#room > KEPT_BYTES) this.#larger = null;
    const { start, stack, dead } = this.#region;
    return this.#kernel.count(start, size, stack, dead, this.#name === 'cl100k_base');
  }

  #largerFor(bytes: number): ExactEncoding {
    if (this.#larger === null || this.#larger.#room < bytes) {
      // Only as much as has to be where that is a lot: a memory has 4 GiB at most.
      const room = Math.max(bytes, Math.min(2 * bytes, KEPT_BYTES));
      this.#larger = new ExactEncoding(this.#name, room);
    }
    return this.#larger;
  }
}
