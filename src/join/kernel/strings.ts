export const QUOTE: u8 = 0x22;
export const BACKSLASH: u8 = 0x5c;
const SPACE: u8 = 0x20;
const ODD_BITS: u64 = ((<u64>0xaaaaaaaa) << 32) | 0xaaaaaaaa;

/** The address behind a string, whose opening quote is at `start`; 0 when it is none of JSON. */
export function skipString(start: u32): u32 {
  const quote = i8x16.splat(QUOTE);
  const backslash = i8x16.splat(BACKSLASH);
  const space = i8x16.splat(SPACE);
  let at = start + 1;
  let stops = 0;
  do {
    const bytes = v128.load(at);
    const special = v128.or(i8x16.eq(bytes, quote), i8x16.eq(bytes, backslash));
    stops = i8x16.bitmask(v128.or(special, i8x16.lt_u(bytes, space)));
    at += stops === 0 ? 16 : ctz(stops);
  } while (stops === 0);
  const stop = load<u8>(at);
  if (stop === QUOTE) return at + 1;
  return stop === BACKSLASH ? skipEscapes(at) : 0;
}

/**
 * The rest of a string from a backslash on, 64 bytes at a time: bits stand for bytes, the lowest for
 * the first. Text with many escapes would else be bound by wrong guesses.
 */
function skipEscapes(start: u32): u32 {
  const quote = i8x16.splat(QUOTE);
  const backslash = i8x16.splat(BACKSLASH);
  const space = i8x16.splat(SPACE);
  let at = start;
  let firstEscaped: u64 = 0;
  let end: i32 = -1;
  while (end === -1) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    const quotes = bits(
      i8x16.eq(a, quote),
      i8x16.eq(b, quote),
      i8x16.eq(c, quote),
      i8x16.eq(d, quote),
    );
    const slashes = bits(
      i8x16.eq(a, backslash),
      i8x16.eq(b, backslash),
      i8x16.eq(c, backslash),
      i8x16.eq(d, backslash),
    );
    const controls = bits(
      i8x16.lt_u(a, space),
      i8x16.lt_u(b, space),
      i8x16.lt_u(c, space),
      i8x16.lt_u(d, space),
    );
    // Which bytes a backslash stands before that is not escaped itself: a run of them escapes every
    // second byte from its own second one on.
    let escaped = firstEscaped;
    firstEscaped = 0;
    if (slashes !== 0) {
      const may = slashes & ~escaped;
      const codes = (((may << 1) | ODD_BITS) - may) ^ ODD_BITS;
      firstEscaped = (codes & slashes) >> 63;
      escaped = codes ^ (slashes | escaped);
    }
    const ends = quotes & ~escaped;
    const before: u64 = ends === 0 ? -1 : (ends & -ends) - 1;
    escaped &= before;
    if ((controls & before) !== 0) {
      end = 0;
    } else if (
      escaped !== 0 &&
      (escaped & ~bits(escapes(a), escapes(b), escapes(c), escapes(d))) !== 0
    ) {
      end = 0;
    } else {
      const us = i8x16.splat(0x75);
      let units =
        escaped & bits(i8x16.eq(a, us), i8x16.eq(b, us), i8x16.eq(c, us), i8x16.eq(d, us));
      end = ends === 0 ? -1 : at + <u32>ctz(ends) + 1;
      while (units !== 0) {
        if (!fourHex(at + <u32>ctz(units) + 1)) {
          end = 0;
          break;
        }
        units &= units - 1;
      }
    }
    at += 64;
  }
  return end;
}

function bits(a: v128, b: v128, c: v128, d: v128): u64 {
  return (
    <u64>i8x16.bitmask(a) |
    ((<u64>i8x16.bitmask(b)) << 16) |
    ((<u64>i8x16.bitmask(c)) << 32) |
    ((<u64>i8x16.bitmask(d)) << 48)
  );
}

/**
 * Which bytes may follow a backslash: those whose halves have a bit in common in two tables. The bits
 * stand for 0x2_ (quote, slash), 0x5_ (backslash), 0x6_ (b f n) and 0x7_ (r t u).
 */
function escapes(bytes: v128): v128 {
  const low = i8x16(0, 0, 13, 0, 8, 8, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);
  const high = i8x16(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  const lows = i8x16.swizzle(low, v128.and(bytes, i8x16.splat(0x0f)));
  const highs = i8x16.swizzle(high, i8x16.shr_u(bytes, 4));
  return i8x16.ne(v128.and(lows, highs), i8x16.splat(0));
}

function fourHex(at: u32): bool {
  for (let n: u32 = 0; n < 4; n++) {
    const byte: u32 = load<u8>(at + n);
    if (byte - 0x30 > 9 && (byte | 0x20) - 0x61 > 5) return false;
  }
  return true;
}

/** Whether there is a backslash in the text, from `start` to the quote behind it. */
export function hasEscape(start: u32, end: u32): bool {
  for (let at = start; at < end; at++) if (load<u8>(at) === BACKSLASH) return true;
  return false;
}

const ZERO: u8 = 0x30;
const MINUS: u8 = 0x2d;
const PLUS: u8 = 0x2b;
const DOT: u8 = 0x2e;

/** The address behind a number that begins at `start`; 0 when it is none of JSON. */
export function skipNumber(start: u32): u32 {
  let at = load<u8>(start) === MINUS ? start + 1 : start;
  at = load<u8>(at) === ZERO ? at + 1 : skipDigits(at);
  if (at !== 0 && load<u8>(at) === DOT) at = skipDigits(at + 1);
  if (at !== 0 && (load<u8>(at) | 0x20) === 0x65) {
    const sign = load<u8>(at + 1);
    at = skipDigits(sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }
  return at;
}

/** At least one digit. */
function skipDigits(start: u32): u32 {
  let at = start;
  while (<u32>load<u8>(at) - 0x30 <= 9) at++;
  return at === start ? 0 : at;
}
