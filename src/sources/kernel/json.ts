import { FALSE, FIELDS, HEX, MEANS, NESTED, NULL, NUMBER, SHAPE, TRUE } from '../record-layout.ts';
import { beginTexts, closeText, finishTexts, text } from './texts.ts';
import { writeCode } from './utf8.ts';

const QUOTE: i32 = 0x22;
const MINUS: i32 = 0x2d;
const POINT: i32 = 0x2e;
const ZERO: i32 = 0x30;
const BACKSLASH: i32 = 0x5c;
const U: i32 = 0x75;
const OPEN_BRACE: i32 = 0x7b;
const CLOSE_BRACE: i32 = 0x7d;
/** What makes a bracket of `[` and `]` the brace that is like it. */
const BRACE: i32 = 0x20;

const TRUE_WORD: i32 = 0x65757274;
const ALSE_WORD: i32 = 0x65736c61;
const NULL_WORD: i32 = 0x6c6c756e;

/** Digits of a number whose quotient by a power of ten is the nearest one. */
const EXACT_DIGITS: i32 = 15;
/** Objects and arrays inside one another, as for every parser. */
const MOST_LEVELS: i32 = 1000;

/** Writes the tables of escapes. */
export function prepareEscapes(): void {
  store<u8>(MEANS + 0x22, 0x22);
  store<u8>(MEANS + 0x5c, 0x5c);
  store<u8>(MEANS + 0x2f, 0x2f);
  store<u8>(MEANS + 0x62, 0x08);
  store<u8>(MEANS + 0x66, 0x0c);
  store<u8>(MEANS + 0x6e, 0x0a);
  store<u8>(MEANS + 0x72, 0x0d);
  store<u8>(MEANS + 0x74, 0x09);
  memory.fill(HEX, 0xff, 256);
  for (let digit = 0; digit < 10; digit++) store<u8>(HEX + ZERO + digit, digit);
  for (let letter = 0; letter < 6; letter++) {
    store<u8>(HEX + 0x41 + letter, 10 + letter);
    store<u8>(HEX + 0x61 + letter, 10 + letter);
  }
}

/**
 * Reads the object at `start` if it has the shape that lies in SHAPE and nothing in it is for
 * JSON.parse to judge. Gives where it ends, or -1; it ends before `limit`.
 */
export function readObject(start: i32, limit: i32): i32 {
  beginTexts();
  const count = load<i32>(SHAPE);
  let gap = SHAPE + 4;
  let at = start;
  for (let field = 0; ; field++) {
    const length = load<i32>(gap);
    if (!stands(at, gap + 4, length)) return -1;
    at += length;
    if (field === count) break;
    gap += 4 + length;
    at = readValue(field, at, limit);
    if (at < 0) return -1;
  }
  // What was met behind the limit, older input or zeros, only led further behind it.
  if (at > limit) return -1;
  finishTexts(start, at);
  return at;
}

function stands(at: i32, wanted: i32, length: i32): bool {
  for (let i = 0; i < length; i += 16) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(at + i), v128.load(wanted + i)));
    const left = length - i;
    const looked = left >= 16 ? 0xffff : (1 << left) - 1;
    if ((same & looked) !== looked) return false;
  }
  return true;
}

function readValue(field: i32, at: i32, limit: i32): i32 {
  const byte = <i32>load<u8>(at);
  if (byte === QUOTE) return readString(field, at + 1, limit);
  const entry = FIELDS + (field << 4);
  if ((byte | BRACE) === OPEN_BRACE) {
    const end = skipNested(at, limit);
    store<i32>(entry, NESTED);
    store<i32>(entry + 8, at);
    store<i32>(entry + 12, end);
    return end;
  }
  if (byte === MINUS || <u32>(byte - ZERO) < 10) return readNumber(entry, at, limit);
  const word = load<i32>(at);
  if (word === TRUE_WORD) store<i32>(entry, TRUE);
  else if (word === NULL_WORD) store<i32>(entry, NULL);
  else if (byte === 0x66 && load<i32>(at + 1) === ALSE_WORD) {
    store<i32>(entry, FALSE);
    return at + 5;
  } else return -1;
  return at + 4;
}

/** Whole numbers and decimals of a few digits; any other is left to JSON.parse. */
function readNumber(entry: i32, start: i32, limit: i32): i32 {
  let at = start + i32(load<u8>(start) === MINUS);
  const first = at;
  let point: i32 = -1;
  let digits: u64 = 0;
  let power: f64 = 1;
  for (; at < limit; at++) {
    const byte = <i32>load<u8>(at);
    const digit = <u32>(byte - ZERO);
    if (digit < 10) {
      digits = digits * 10 + digit;
      if (point !== -1) power *= 10;
    } else if (byte === POINT && point === -1) point = at;
    else break;
  }
  const fraction = point === -1 ? 0 : at - point - 1;
  const whole = (point === -1 ? at : point) - first;
  if (whole === 0 || (whole > 1 && load<u8>(first) === ZERO)) return -1;
  if (point !== -1 && fraction === 0) return -1;
  if (whole + fraction > EXACT_DIGITS) return -1;
  const value = <f64>digits / power;
  store<i32>(entry, NUMBER);
  store<f64>(entry + 8, first === start ? value : -value);
  return at;
}

/**
 * Takes the inside of a string that starts at `start`; gives where its quote ends, or -1 when that is
 * not before `limit`, when it is not JSON, or holds half of a surrogate pair, which UTF-8 has not.
 */
function readString(field: i32, start: i32, limit: i32): i32 {
  const two = i8x16.splat(2);
  const lowest = i8x16.splat(0x21);
  const slash = i8x16.splat(<i8>BACKSLASH);
  let at = start;
  let to = text;
  while (at < limit) {
    const bytes = v128.load(at);
    v128.store(to, bytes);
    // With bit 1 turned over, a quote is next to the control characters and nothing else comes below.
    const turned = i8x16.lt_u(v128.xor(bytes, two), lowest);
    const stops = i8x16.bitmask(v128.or(turned, i8x16.eq(bytes, slash)));
    if (stops === 0) {
      at += 16;
      to += 16;
      continue;
    }
    const before = ctz(stops);
    at += before;
    to += before;
    const byte = <i32>load<u8>(at);
    if (byte === QUOTE) {
      closeText(field, to);
      return at + 1;
    }
    if (byte !== BACKSLASH) return -1;
    const letter = <i32>load<u8>(at + 1);
    at += 2;
    if (letter !== U) {
      const meaning = <i32>load<u8>(MEANS + letter);
      if (meaning === 0) return -1;
      store<u8>(to++, meaning);
      continue;
    }
    let code = hex4(at);
    at += 4;
    if (code < 0) return -1;
    if ((code & 0xf800) === 0xd800) {
      // `\u`, in the order in which a word has it.
      const low = load<u16>(at) === 0x755c ? hex4(at + 2) : -1;
      if (code > 0xdbff || low < 0 || (low & 0xfc00) !== 0xdc00) return -1;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      at += 6;
    }
    to = writeCode(code, to);
  }
  return -1;
}

/** The four digits as a number, negative when they are none. */
function hex4(at: i32): i32 {
  return (
    ((<i32>load<i8>(HEX + <i32>load<u8>(at))) << 12) |
    ((<i32>load<i8>(HEX + <i32>load<u8>(at + 1))) << 8) |
    ((<i32>load<i8>(HEX + <i32>load<u8>(at + 2))) << 4) |
    <i32>load<i8>(HEX + <i32>load<u8>(at + 3))
  );
}

/** Behind the object or array at `start`, by its brackets and strings alone, or -1. */
function skipNested(start: i32, limit: i32): i32 {
  const quote = i8x16.splat(<i8>QUOTE);
  const brace = i8x16.splat(<i8>BRACE);
  const open = i8x16.splat(<i8>OPEN_BRACE);
  const close = i8x16.splat(<i8>CLOSE_BRACE);
  let depth = 0;
  let at = start;
  while (at < limit) {
    const bytes = v128.load(at);
    const folded = v128.or(bytes, brace);
    const brackets = v128.or(i8x16.eq(folded, open), i8x16.eq(folded, close));
    const stops = i8x16.bitmask(v128.or(brackets, i8x16.eq(bytes, quote)));
    if (stops === 0) {
      at += 16;
      continue;
    }
    at += ctz(stops);
    const byte = <i32>load<u8>(at++);
    if (byte === QUOTE) {
      at = skipString(at, limit);
      if (at < 0) return -1;
    } else if ((byte | BRACE) === OPEN_BRACE) {
      if (++depth === MOST_LEVELS) return -1;
    } else if (--depth === 0) {
      return at;
    }
  }
  return -1;
}

/** Behind the quote that ends the string whose inside starts at `start`, or -1. */
function skipString(start: i32, limit: i32): i32 {
  const quote = i8x16.splat(<i8>QUOTE);
  const slash = i8x16.splat(<i8>BACKSLASH);
  let at = start;
  while (at < limit) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(i8x16.eq(bytes, quote), i8x16.eq(bytes, slash)));
    if (stops === 0) {
      at += 16;
      continue;
    }
    at += ctz(stops);
    if (load<u8>(at) === QUOTE) return at + 1;
    at += 2;
  }
  return -1;
}
