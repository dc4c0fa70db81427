import { readFileSync } from 'node:fs';
import { sharedNumbers } from './shared.ts';

/** The tokens of an encoding as merges. A token's number is its rank: lower ranks merge first. */
export interface Merges {
  /** Tokens in all; the first 256 are the single bytes. */
  readonly count: number;
  /** By byte: its token. */
  readonly ofByte: Int32Array;
  /** Two numbers a token: the tokens that merge into it, left and right; 0 for single bytes. */
  readonly halves: Int32Array;
}

/** Reads `data/<name>.bin`; scripts/make-token-data.mjs has its layout. */
export function readMerges(name: string): Merges {
  const file = readFileSync(new URL(`./data/${name}.bin`, import.meta.url));
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const count = view.getUint32(0, true);
  const ofByte = sharedNumbers(256);
  const halves = sharedNumbers(2 * count);
  for (let rank = 0; rank < 256; rank++) ofByte[file[4 + rank]!] = rank;
  const merges = count - 256;
  const lows = 4 + 256;
  const highs = lows + 4 * merges;
  for (let i = 0; i < merges; i++) {
    const high = file[highs + (i >> 1)]! >> (4 * (i & 1));
    const l = view.getUint16(lows + 2 * i, true) | ((high & 3) << 16);
    const r = view.getUint16(lows + 2 * (merges + i), true) | ((high & 12) << 14);
    halves[2 * (256 + i)] = l;
    halves[2 * (256 + i) + 1] = r;
  }
  return { count, ofByte, halves };
}
