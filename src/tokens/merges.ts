import { readFileSync } from 'node:fs';

/** The tokens of an encoding as merges. A token's number is its rank: lower ranks merge first. */
export interface Merges {
  /** Tokens in all; the first 256 are the single bytes. */
  readonly count: number;
  /** By byte: its token. */
  readonly ofByte: Int32Array;
  /** Two numbers a token: the tokens that merge into it, left and right; 0 for single bytes. */
  readonly halves: Int32Array;
  /** By token: its length in bytes. */
  readonly length: Uint8Array;
  /** All tokens in the order of their bytes. */
  readonly order: Int32Array;
}

/** Reads `data/<name>.bin` and `data/<name>-order.bin`; scripts/make-token-data.mjs has their layouts. */
export function readMerges(name: string): Merges {
  const file = readFileSync(new URL(`./data/${name}.bin`, import.meta.url));
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const count = view.getUint32(0, true);
  const ofByte = new Int32Array(256);
  const halves = new Int32Array(2 * count);
  const length = new Uint8Array(count);
  for (let rank = 0; rank < 256; rank++) {
    ofByte[file[4 + rank]!] = rank;
    length[rank] = 1;
  }
  const merges = count - 256;
  const lows = 4 + 256;
  const highs = lows + 4 * merges;
  for (let i = 0; i < merges; i++) {
    const high = file[highs + (i >> 1)]! >> (4 * (i & 1));
    const l = view.getUint16(lows + 2 * i, true) | ((high & 3) << 16);
    const r = view.getUint16(lows + 2 * (merges + i), true) | ((high & 12) << 14);
    halves[2 * (256 + i)] = l;
    halves[2 * (256 + i) + 1] = r;
    length[256 + i] = length[l]! + length[r]!;
  }
  return { count, ofByte, halves, length, order: readOrder(name, count) };
}

function readOrder(name: string, count: number): Int32Array {
  const file = readFileSync(new URL(`./data/${name}-order.bin`, import.meta.url));
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const high = (file[2 * count + (i >> 2)]! >> (2 * (i & 3))) & 3;
    order[i] = file[2 * i]! | (file[2 * i + 1]! << 8) | (high << 16);
  }
  return order;
}
