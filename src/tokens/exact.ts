import type { TextEncoding } from './encoder.ts';
import { TEXT } from './layout.ts';
import {
  type CountingKernel,
  claimRegion,
  type EncodingTables,
  openKernel,
  type Region,
} from './tables.ts';

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

  constructor(name: EncodingTables['name'], room?: number) {
    const { tables, region } = claimRegion(name, room);
    this.#name = name;
    this.#kernel = openKernel(tables.memory);
    this.#region = region;
    this.#room = tables.room;
    this.#text = Buffer.from(tables.memory.buffer, region.start + TEXT, tables.room);
  }

  countText(text: string): number {
    if (3 * text.length > this.#room) {
      const size = Buffer.byteLength(text);
      if (size > this.#room) return this.#larger(size).countText(text);
    }
    return this.#count(this.#text.write(text, 0));
  }

  countUtf8(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const size = end - start;
    if (size > this.#room) return this.#larger(size).countUtf8(bytes, start, end);
    this.#text.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return this.#count(size);
  }

  #count(size: number): number {
    const { start, stack, dead } = this.#region;
    return this.#kernel.count(start, size, stack, dead, this.#name === 'cl100k_base');
  }

  /** For one text that no model would take: its memory is not worth keeping. */
  #larger(size: number): ExactEncoding {
    return new ExactEncoding(this.#name, size);
  }
}
