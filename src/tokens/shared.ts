import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

/** Numbers in memory that threads share: a message to a worker carries no copy of them. */
export function sharedNumbers(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

/** A file beside this module's data as it lies: little-endian numbers of 32 bits. */
export function readNumbers(name: string): Int32Array {
  const file = openSync(new URL(`./data/${name}`, import.meta.url), 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    for (let at = 0; at < size; ) {
      const read = readSync(file, bytes, at, size - at, at);
      if (read === 0) throw new Error(`${name} ends after ${at} of ${size} bytes: install again`);
      at += read;
    }
    if (endianness() === 'BE') Buffer.from(bytes.buffer).swap32();
    return new Int32Array(bytes.buffer);
  } finally {
    closeSync(file);
  }
}
