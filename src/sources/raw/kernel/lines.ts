// Lines put together of pieces and fields, and the lines of a source.
import { copy, ESCAPED, STEP, ZERO } from './bytes.ts';
import { plainText } from './strings.ts';

/** Puts pieces and fields together as they are; the caller has made the room. Gives the end. */
export function join(pieces: i32, spans: i32, to: i32): i32 {
  while (true) {
    to = copy(load<i32>(pieces), load<i32>(pieces, 4), to);
    const field = load<i32>(pieces, 8);
    if (field < 0) return to;
    const span = spans + field * 12;
    to = copy(load<i32>(span), load<i32>(span, 4) - load<i32>(span), to);
    pieces += 12;
  }
}

/**
 * As `join`, of fields as text: their escapes taken back. -1 when the room is short, or for half of a
 * surrogate pair, which UTF-8 does not have.
 */
export function joinText(pieces: i32, spans: i32, out: i32, limit: i32): i32 {
  let to = out;
  while (true) {
    const size = load<i32>(pieces, 4);
    if (size + STEP > limit - to) return -1;
    to = copy(load<i32>(pieces), size, to);
    const field = load<i32>(pieces, 8);
    if (field < 0) return to;
    const span = spans + field * 12;
    const start = load<i32>(span);
    const end = load<i32>(span, 4);
    if (end - start + STEP > limit - to) return -1;
    to = load<i32>(span, 8) === ESCAPED ? plainText(start, end, to) : copy(start, end - start, to);
    if (to < 0) return -1;
    pieces += 12;
  }
}

/** Writes a whole number in digits; gives the end. */
export function writeNumber(value: f64, to: i32): i32 {
  let left = <u64>value;
  let end = to;
  for (let rest = left; rest > 9; rest /= 10) end++;
  for (let at = end; at >= to; at--) {
    store<u8>(at, ZERO + <u32>(left % 10));
    left /= 10;
  }
  return end + 1;
}

/** How many line feeds there are, or -1 when one before the last byte may be followed by a blank line. */
export function lines(at: i32, end: i32): i32 {
  let count = 0;
  for (; at + 17 <= end; at += 16) {
    const feeds = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0x0a)));
    if (feeds === 0) continue;
    const blanks = i8x16.bitmask(i8x16.le_u(v128.load(at + 1), i8x16.splat(0x20)));
    if ((feeds & blanks) !== 0) return -1;
    count += popcnt(feeds);
  }
  for (; at < end; at++) {
    if (<u32>load<u8>(at) !== 0x0a) continue;
    if (at + 1 < end && <u32>load<u8>(at + 1) <= 0x20) return -1;
    count++;
  }
  return count;
}
