export const NEWLINE: i8 = 0x0a;

/** The address of the next newline; there must be one. */
export function findNewline(from: u32): u32 {
  const newline = i8x16.splat(NEWLINE);
  let at = from;
  let mask = i8x16.bitmask(i8x16.eq(v128.load(at), newline));
  while (mask === 0) {
    at += 16;
    mask = i8x16.bitmask(i8x16.eq(v128.load(at), newline));
  }
  return at + ctz(mask);
}

/** For few bytes: writes up to 15 more behind them, and reads as many. */
export function copyFew(to: u32, from: u32, bytes: u32): void {
  for (let done: u32 = 0; done < bytes; done += 16) {
    v128.store(to + done, v128.load(from + done));
  }
}
