// The insides of JSON's strings: put into the form that JSON.stringify gives, or their escapes taken back.
import { writeCode } from '../../kernel/utf8.ts';
import { BACKSLASH, QUOTE, U, ZERO } from './bytes.ts';

/** Which of the 16 bytes from `at` on a string of JSON cannot hold as they are. */
export function stopsAt(at: i32): i32 {
  const bytes = v128.load(at);
  return i8x16.bitmask(
    v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
      i8x16.lt_u(bytes, i8x16.splat(0x20)),
    ),
  );
}

/** Whether JSON.stringify writes the letter behind a backslash, the long form aside: "\bfnrt */
export function isUsual(letter: u32): bool {
  if (letter === QUOTE) return true;
  const bit = letter - 64;
  return bit < 64 && ((0x14404410000000 >> <u64>bit) & 1) !== 0;
}

/**
 * Writes the inside of a string of JSON as JSON.stringify writes it, which is never longer. Gives its
 * end, or -1 when it is not JSON.
 */
export function rewrite(from: i32, end: i32, to: i32): i32 {
  while (true) {
    const plain = plainBytes(from, end, to);
    from += plain;
    to += plain;
    if (from >= end) return to;
    const letter = <u32>load<u8>(from, 1);
    if (letter !== U) {
      if (letter !== 0x2f) {
        if (!isUsual(letter)) return -1;
        store<u8>(to++, BACKSLASH);
      }
      store<u8>(to++, letter);
      from += 2;
      continue;
    }
    const code = hex4(from + 2, end);
    if (code < 0) return -1;
    from += 6;
    if (code < 0x20 || <u32>code === QUOTE || <u32>code === BACKSLASH) {
      to = writeEscape(code, to);
    } else if (code < 0xd800 || code > 0xdfff) {
      to = writeCode(code, to);
    } else {
      const paired = code < 0xdc00 && load<u16>(from) === 0x755c;
      const low = paired ? hex4(from + 2, end) : -1;
      if (low >= 0xdc00 && low <= 0xdfff) {
        to = writeCode(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), to);
        from += 6;
      } else {
        store<u16>(to, 0x755c);
        to += 2;
        for (let shift = 12; shift >= 0; shift -= 4)
          store<u8>(to++, hexDigit((code >> shift) & 15));
      }
    }
  }
}

/** Takes the escapes of a text that JSON.stringify wrote back. */
export function plainText(from: i32, end: i32, to: i32): i32 {
  while (true) {
    const plain = plainBytes(from, end, to);
    from += plain;
    to += plain;
    if (from >= end) return to;
    const letter = <u32>load<u8>(from, 1);
    from += 2;
    if (letter !== U) {
      store<u8>(to++, meaning(letter));
      continue;
    }
    // Control characters begin with two zeros, surrogates with a d.
    const code = hex4(from, end);
    if (code > 0x1f) return -1;
    store<u8>(to++, code);
    from += 4;
  }
}

export function writeEscape(byte: u32, to: i32): i32 {
  store<u8>(to, BACKSLASH);
  const letter = letterOf(byte);
  store<u8>(to, letter, 1);
  if (letter !== U) return to + 2;
  store<u16>(to, 0x3030, 2);
  store<u8>(to, hexDigit(byte >> 4), 4);
  store<u8>(to, hexDigit(byte & 15), 5);
  return to + 6;
}

/** Copies what stands before the next backslash; gives its bytes. */
function plainBytes(from: i32, end: i32, to: i32): i32 {
  let at = from;
  while (at < end) {
    const bytes = v128.load(at);
    v128.store(to, bytes);
    const slashes = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x5c)));
    if (slashes !== 0) {
      at += ctz(slashes);
      break;
    }
    at += 16;
    to += 16;
  }
  return min(at, end) - from;
}

/** The letter behind the backslash, `u` for the long form. */
function letterOf(byte: u32): u32 {
  if (byte === 0x0a) return 0x6e;
  if (byte === QUOTE || byte === BACKSLASH) return byte;
  if (byte === 0x09) return 0x74;
  if (byte === 0x0d) return 0x72;
  if (byte === 0x08) return 0x62;
  if (byte === 0x0c) return 0x66;
  return U;
}

/** The byte that such a letter stands for. */
function meaning(letter: u32): u32 {
  if (letter === 0x6e) return 0x0a;
  if (letter === 0x74) return 0x09;
  if (letter === 0x72) return 0x0d;
  if (letter === 0x62) return 0x08;
  if (letter === 0x66) return 0x0c;
  return letter;
}

function hexDigit(value: u32): u32 {
  return value < 10 ? ZERO + value : 0x57 + value;
}

/** The four digits as a number, negative when they are none. */
function hex4(at: i32, end: i32): i32 {
  if (at + 4 > end) return -1;
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const byte = <u32>load<u8>(at + i);
    const digit = byte - ZERO;
    const letter = (byte | 0x20) - 0x61;
    if (digit < 10) code = (code << 4) | digit;
    else if (letter < 6) code = (code << 4) | (letter + 10);
    else return -1;
  }
  return code;
}
