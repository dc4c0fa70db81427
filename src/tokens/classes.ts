import { readFileSync } from 'node:fs';

const CODES = 0x110000;
const BLOCK_BITS = 6; // what the last byte of a character tells

/**
 * The class of every code point: `fine[(blocks[code >> 6] << 6) | (code & 63)]`. Classes are those of
 * Unicode 16, which tiktoken's patterns know, and so the same on every engine.
 */
export interface Classes {
  /** By block of 64 code points: its place among the different blocks. */
  readonly blocks: Uint16Array;
  /** The classes of the different blocks. Those of one class alone come first, then those of ASCII. */
  readonly fine: Uint8Array;
}

let classes: Classes | undefined;

export function loadClasses(): Classes {
  classes ??= unpack(readFileSync(new URL('./data/classes.bin', import.meta.url)));
  return classes;
}

export function classOf(code: number): number {
  const { blocks, fine } = loadClasses();
  return fine[(blocks[code >> BLOCK_BITS]! << BLOCK_BITS) | (code & 63)]!;
}

/** Where ASCII begins in `fine`. */
export const ASCII = 8 << BLOCK_BITS;

/** Runs of one class: the class in the low three bits, the length above, as little-endian varints. */
function unpack(file: Uint8Array): Classes {
  const blocks = new Uint16Array(CODES >> BLOCK_BITS);
  const fine = new Uint8Array(512 << BLOCK_BITS);
  for (let kind = 0; kind < 8; kind++)
    fine.fill(kind, kind << BLOCK_BITS, (kind + 1) << BLOCK_BITS);
  let different = 8;
  let code = 0;
  for (let at = 0; at < file.length; ) {
    let value = 0;
    let unit = 1;
    for (; file[at]! >= 128; at++, unit *= 128) value += (file[at]! - 128) * unit;
    value += file[at++]! * unit;
    const kind = value % 8;
    const end = code + Math.floor(value / 8);
    while (code < end) {
      const block = code >> BLOCK_BITS;
      const next = Math.min(end, (block + 1) << BLOCK_BITS);
      if (next - code === 1 << BLOCK_BITS) {
        blocks[block] = kind;
      } else {
        if ((code & 63) === 0) blocks[block] = different++;
        const base = blocks[block]! << BLOCK_BITS;
        fine.fill(kind, base | (code & 63), base + ((next - 1) & 63) + 1);
      }
      code = next;
    }
  }
  return { blocks, fine: fine.slice(0, different << BLOCK_BITS) };
}
