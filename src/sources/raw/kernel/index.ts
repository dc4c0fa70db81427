// Records of JSON and CSV as bytes: looked through once, put into the form that JSON.stringify gives,
// and spliced into lines. All addresses are the caller's; reads and writes may go up to 16 bytes past
// the end of what they are for, so whatever lies in an area is followed by as much room.

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const U: u32 = 0x75;
const OPEN_BRACE: u32 = 0x7b;
const CLOSE_BRACE: u32 = 0x7d;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;
const COMMA: u32 = 0x2c;
const POINT: u32 = 0x2e;
const MINUS: u32 = 0x2d;
const ZERO: u32 = 0x30;

// The kinds of raw-record.ts. In a table of values a kind is negative for an unusual form.
const TEXT: i32 = 1;
const ESCAPED: i32 = 2;
const SCALAR: i32 = 3;
const NULL: i32 = 4;
const NESTED: i32 = 5;

/** What `take` gives beside the end of a record that it wrote. */
const NOT_TAKEN: i32 = -1;
const AS_IT_IS: i32 = 0;
const ODD_VALUES: i32 = 1;

/** Digits of an integer that is surely written as JavaScript writes it. */
const SAFE_DIGITS: i32 = 15;
/** Deeper values are left to the parser. */
const MOST_DEPTH: i32 = 500;
/** Room that a step of writing may need: an escape, or 16 bytes. */
const STEP: i32 = 16;

/** Of the value that was read last. */
let kind: i32 = 0;
let usual: bool = true;

/**
 * Goes through the object `[at, stop)`, whose keys must be those of the shape. Fills the table of values
 * (start, end, kind of each). AS_IT_IS when its bytes are what JSON.stringify writes; else the end of
 * what was written at `out`, or ODD_VALUES when values that are no strings have to be put right before
 * `assemble`.
 */
export function take(
  at: i32,
  stop: i32,
  shape: i32,
  values: i32,
  spans: i32,
  out: i32,
  limit: i32,
): i32 {
  const keys = load<i32>(shape);
  let unusual = load<i32>(shape, 12) === 0;
  let odd = false;
  let value = values;
  const lastKey = shape + 16 + keys * 20;
  for (let key = shape + 16; key < lastKey; key += 20) {
    const gap = load<i32>(key, 4);
    if (!same(at, load<i32>(key), gap)) return NOT_TAKEN;
    at += gap;
    const start = at;
    at = valueEnd(at, stop);
    if (at > stop || at < 0) return NOT_TAKEN;
    store<i32>(value, start);
    store<i32>(value, at, 4);
    store<i32>(value, usual ? kind : -kind, 8);
    if (!usual) {
      unusual = true;
      if (kind !== TEXT && kind !== ESCAPED) odd = true;
    }
    value += 12;
  }
  const tail = load<i32>(shape, 8);
  if (at + tail !== stop || !same(at, load<i32>(shape, 4), tail)) return NOT_TAKEN;
  if (odd) return ODD_VALUES;
  if (unusual) return assemble(shape, values, spans, out, limit);
  value = values;
  for (let key = shape + 16; key < lastKey; key += 20) {
    const wanted = load<i32>(key, 16);
    if (wanted >= 0) {
      note(spans + wanted * 12, load<i32>(value), load<i32>(value, 4), load<i32>(value, 8));
    }
    value += 12;
  }
  return AS_IT_IS;
}

/** Writes the object of these values at `out`; its end, or -1 when one is no JSON or the room is short. */
export function assemble(shape: i32, values: i32, spans: i32, out: i32, limit: i32): i32 {
  const keys = load<i32>(shape);
  let size = 2 + STEP;
  for (let k = 0; k < keys; k++) {
    const value = values + k * 12;
    size += 1 + load<i32>(shape + 28 + k * 20) + load<i32>(value, 4) - load<i32>(value);
    if (size > limit - out) return NOT_TAKEN;
  }
  let to = out;
  for (let k = 0; k < keys; k++) {
    const key = shape + 16 + k * 20;
    const value = values + k * 12;
    const start = load<i32>(value);
    const end = load<i32>(value, 4);
    let form = load<i32>(value, 8);
    store<u8>(to++, k === 0 ? OPEN_BRACE : COMMA);
    to = copy(load<i32>(key, 8), load<i32>(key, 12), to);
    const first = to;
    if (form < 0) {
      store<u8>(to, QUOTE);
      to = rewrite(start + 1, end - 1, to + 1);
      if (to < 0) return NOT_TAKEN;
      store<u8>(to++, QUOTE);
      form = -form;
    } else {
      to = copy(start, end - start, to);
    }
    const wanted = load<i32>(key, 16);
    if (wanted >= 0) note(spans + wanted * 12, first, to, form);
  }
  store<u8>(to++, CLOSE_BRACE);
  return to;
}

/**
 * Writes a record of CSV as JSON at `out`, from its fields (start, end, kind of each; kind 1: quotes are
 * doubled). Its end, or -1 when the room is short.
 */
export function csv(columns: i32, fields: i32, spans: i32, out: i32, limit: i32): i32 {
  const count = load<i32>(columns);
  let to = out;
  for (let c = 0; c < count; c++) {
    const column = columns + 4 + c * 12;
    const key = load<i32>(column, 4);
    if (key + 2 * STEP > limit - to) return NOT_TAKEN;
    to = copy(load<i32>(column), key, to);
    const first = to;
    const doubled = load<i32>(fields, 8) === 1;
    const end = load<i32>(fields, 4);
    let form = TEXT;
    for (let from = load<i32>(fields); from < end; ) {
      if (to + 2 * STEP > limit) return NOT_TAKEN;
      const bytes = v128.load(from);
      v128.store(to, bytes);
      const stops = stopsIn(bytes);
      const plain = stops === 0 ? 16 : ctz(stops);
      from += plain;
      to += plain;
      if (from >= end) {
        to -= from - end;
        break;
      }
      if (stops === 0) continue;
      form = ESCAPED;
      const byte = <u32>load<u8>(from++);
      if (byte === QUOTE && doubled) from++;
      to = writeEscape(byte, to);
    }
    const wanted = load<i32>(column, 8);
    if (wanted >= 0) {
      store<i32>(spans + wanted * 12, first);
      store<i32>(spans + wanted * 12, to, 4);
      store<i32>(spans + wanted * 12, form, 8);
    }
    fields += 12;
  }
  store<u8>(to, QUOTE);
  store<u8>(to + 1, CLOSE_BRACE);
  return to + 2;
}

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

/** Copies `bytes`; gives where the copy ends. */
export function copy(from: i32, bytes: i32, to: i32): i32 {
  if (bytes > 512) {
    memory.copy(to, from, bytes);
  } else {
    for (let i = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
  }
  return to + bytes;
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

function same(at: i32, text: i32, bytes: i32): bool {
  let i = 0;
  for (; i + 16 <= bytes; i += 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(at + i), v128.load(text + i))) !== 0xffff) return false;
  }
  const rest = (1 << (bytes - i)) - 1;
  const alike = i8x16.bitmask(i8x16.eq(v128.load(at + i), v128.load(text + i)));
  return (alike & rest) === rest;
}

/** Which of 16 bytes a string of JSON cannot hold as they are. */
function stopsIn(bytes: v128): i32 {
  return i8x16.bitmask(
    v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
      i8x16.lt_u(bytes, i8x16.splat(0x20)),
    ),
  );
}

/** Notes where a field lies, a string without its quotes. */
function note(span: i32, start: i32, end: i32, form: i32): void {
  const quotes = form <= ESCAPED ? 1 : 0;
  store<i32>(span, start + quotes);
  store<i32>(span, end - quotes, 4);
  store<i32>(span, form, 8);
}

/** Behind the value, or -1 when it is no JSON; past `stop` when it is not whole. */
function valueEnd(at: i32, stop: i32): i32 {
  usual = true;
  const byte = <u32>load<u8>(at);
  if (byte === QUOTE) return stringEnd(at + 1);
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return nestedEnd(at, stop);
  const word = load<u32>(at);
  kind = SCALAR;
  if (word === 0x65757274) return at + 4; // true
  if (word === 0x736c6166 && <u32>load<u8>(at, 4) === 0x65) return at + 5; // false
  if (word === 0x6c6c756e) {
    kind = NULL;
    return at + 4;
  }
  return numberEnd(at);
}

/** Behind the quote that ends the string whose inside starts at `at`, or -1. Ends at any control. */
function stringEnd(at: i32): i32 {
  kind = TEXT;
  while (true) {
    let stops = stopsIn(v128.load(at));
    let passed = 16;
    while (stops !== 0) {
      const first = ctz(stops);
      const byte = <u32>load<u8>(at + first);
      if (byte === QUOTE) return at + first + 1;
      if (byte !== BACKSLASH) return -1;
      kind = ESCAPED;
      // The long form and `\/` are written otherwise, or have to be looked at.
      if (!isUsual(<u32>load<u8>(at + first + 1))) usual = false;
      if (first === 15) passed = 17;
      stops &= ~(3 << first);
    }
    at += passed;
  }
}

/** Whether JSON.stringify writes the letter behind a backslash, the long form aside: "\bfnrt */
function isUsual(letter: u32): bool {
  if (letter === QUOTE) return true;
  const bit = letter - 64;
  return bit < 64 && ((0x14404410000000 >> <u64>bit) & 1) !== 0;
}

/** A number of few digits is written as it is; others are left to JavaScript. */
function numberEnd(start: i32): i32 {
  const first = <u32>load<u8>(start) === MINUS ? start + 1 : start;
  let at = first;
  let point = -1;
  for (; ; at++) {
    const byte = <u32>load<u8>(at);
    if (byte - ZERO < 10) continue;
    if (byte !== POINT || point !== -1) break;
    point = at;
  }
  const whole = (point === -1 ? at : point) - first;
  if (whole > 0 && at - first <= SAFE_DIGITS && !inNumber(<u32>load<u8>(at))) {
    const leading = <u32>load<u8>(first) === ZERO;
    if (point === -1) {
      // There is no -0 in what JavaScript writes.
      if (!leading || (whole === 1 && first === start)) return at;
    } else if (point + 1 < at && <u32>load<u8>(at - 1) !== ZERO) {
      // Very small ones get an exponent.
      if (!leading || (whole === 1 && <u32>load<u8>(point + 1) !== ZERO)) return at;
    }
  }
  usual = false;
  at = start;
  while (inNumber(<u32>load<u8>(at))) at++;
  return at === start ? -1 : at;
}

function inNumber(byte: u32): bool {
  if (byte - ZERO < 10) return true;
  return byte === 0x2b || byte === MINUS || byte === POINT || byte === 0x65 || byte === 0x45;
}

/** Its keys may come twice or in another order, so its form is always looked at. */
function nestedEnd(at: i32, stop: i32): i32 {
  let depth = 0;
  while (at < stop) {
    const byte = <u32>load<u8>(at++);
    if (byte === QUOTE) {
      at = stringEnd(at);
      if (at < 0) return -1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth === MOST_DEPTH) return -1;
    } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) {
      kind = NESTED;
      usual = false;
      return at;
    }
  }
  return -1;
}

/**
 * Writes the inside of a string of JSON as JSON.stringify writes it, which is never longer. Gives its
 * end, or -1 when it is not JSON.
 */
function rewrite(from: i32, end: i32, to: i32): i32 {
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
function plainText(from: i32, end: i32, to: i32): i32 {
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

function writeEscape(byte: u32, to: i32): i32 {
  store<u8>(to, BACKSLASH);
  const letter = letterOf(byte);
  store<u8>(to, letter, 1);
  if (letter !== U) return to + 2;
  store<u16>(to, 0x3030, 2);
  store<u8>(to, hexDigit(byte >> 4), 4);
  store<u8>(to, hexDigit(byte & 15), 5);
  return to + 6;
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

function writeCode(code: u32, to: i32): i32 {
  if (code < 0x80) {
    store<u8>(to++, code);
    return to;
  }
  if (code < 0x800) {
    store<u8>(to++, 0xc0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      store<u8>(to++, 0xe0 | (code >> 12));
    } else {
      store<u8>(to++, 0xf0 | (code >> 18));
      store<u8>(to++, 0x80 | ((code >> 12) & 63));
    }
    store<u8>(to++, 0x80 | ((code >> 6) & 63));
  }
  store<u8>(to++, 0x80 | (code & 63));
  return to;
}
