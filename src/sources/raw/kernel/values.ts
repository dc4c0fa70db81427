// The values of JSON: where they end, of what kind they are, and whether JavaScript writes them so.
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  ESCAPED,
  MINUS,
  NESTED,
  NULL,
  OPEN_BRACE,
  OPEN_BRACKET,
  POINT,
  QUOTE,
  SCALAR,
  TEXT,
  ZERO,
} from './bytes.ts';
import { isUsual, stopsAt } from './strings.ts';

/** Digits of an integer that is surely written as JavaScript writes it. */
const SAFE_DIGITS: i32 = 15;
/** Deeper values are left to the parser. */
const MOST_DEPTH: i32 = 500;

/** Of the value that was read last. */
export let kind: i32 = 0;
export let usual: bool = true;

/** Behind the value, or -1 when it is no JSON; past `stop` when it is not whole. */
export function valueEnd(at: i32, stop: i32): i32 {
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
    let stops = stopsAt(at);
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
