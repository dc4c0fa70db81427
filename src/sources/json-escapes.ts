// The long escapes of JSON, `\u00e9`, on bytes.

const HEX = new Int8Array(256).fill(-1);
for (const digit of '0123456789abcdefABCDEF') HEX[digit.charCodeAt(0)] = Number.parseInt(digit, 16);

/** The four digits as a number, negative when they are none. */
export function hex4(data: Buffer, at: number, limit: number): number {
  if (at + 4 > limit) return -1;
  return (
    (HEX[data[at]!]! << 12) |
    (HEX[data[at + 1]!]! << 8) |
    (HEX[data[at + 2]!]! << 4) |
    HEX[data[at + 3]!]!
  );
}

/** Writes a character in UTF-8; gives where it ends. */
export function writeCode(code: number, out: Buffer, at: number): number {
  let to = at;
  if (code < 0x80) {
    out[to++] = code;
    return to;
  }
  if (code < 0x800) {
    out[to++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      out[to++] = 0xe0 | (code >> 12);
    } else {
      out[to++] = 0xf0 | (code >> 18);
      out[to++] = 0x80 | ((code >> 12) & 63);
    }
    out[to++] = 0x80 | ((code >> 6) & 63);
  }
  out[to++] = 0x80 | (code & 63);
  return to;
}
