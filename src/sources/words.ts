// Bytes looked at four at a time.

/** A view of the bytes, for reading words. */
export function viewOf(data: Buffer): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}

/**
 * The high bit of each of four bytes that a string of JSON cannot hold as it is: control characters,
 * quotes, backslashes. Above the lowest of them there may be more bits.
 */
export function stopsIn(word: number): number {
  // With bit 1 turned over, a quote is next to the control characters and nothing else comes below.
  const turned = word ^ 0x02020202;
  const slashes = word ^ 0x5c5c5c5c;
  return (((turned - 0x21212121) & ~turned) | ((slashes - 0x01010101) & ~slashes)) & 0x80808080;
}

/** Which of four bytes is the first whose high bit is set. */
export function firstOf(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}
