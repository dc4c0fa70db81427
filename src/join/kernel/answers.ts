import { findId } from './ids.ts';
import {
  ALL_LINES,
  COUNT_GAPS,
  COUNTS_SAID,
  FAILED,
  FOUND,
  FOUND_AT,
  HAS_ERROR,
  ID_GAP,
  LINE_AT,
  LINE_LENGTHS,
  LINE_PLACE,
  LINE_STARTS,
  MISS_OFFSET,
  MISSED_LINE,
  NUMBER_GAP,
  ODD_LINE,
  OK,
  RESPONSE_END_OFFSET,
  RESPONSE_END_STRETCH,
  RESPONSE_LENGTHS,
  RESPONSE_OFFSET,
  RESPONSE_STARTS,
  RESPONSE_STRETCH,
  SHAPE_TEXT,
  STATUS_GAP,
  STATUS_SAID,
  STRETCH_COUNT,
  STRETCH_TABLE,
  USAGE,
} from './layout.ts';
import { hasEscape, QUOTE, skipNumber, skipString } from './strings.ts';

const NEWLINE: u8 = 0x0a;
const STRETCH_BYTES: u32 = 12;
const COUNTS: u32 = 4;
const MOST_COUNT_DIGITS: u32 = 9;

/**
 * Puts the answers of whole lines, from `from` to `end`, into the tables. Stops at a line that has not
 * the shape, and at one that is not as most are: an id that is unknown, written with escapes or
 * answered before, or a status or count in another form than plain digits.
 */
export function takeLines(from: u32, end: u32): i32 {
  let at = from;
  while (at < end) {
    const newline = matchLine(at);
    if (newline === 0 || !takeLine(at, newline)) {
      store<u32>(LINE_AT, at);
      return newline === 0 ? MISSED_LINE : ODD_LINE;
    }
    at = newline + 1;
  }
  return ALL_LINES;
}

/** The newline behind a line that has the shape, or 0. */
function matchLine(start: u32): u32 {
  const stretches = load<u32>(STRETCH_COUNT);
  const found = load<u32>(FOUND_AT);
  let stretch = load<u32>(STRETCH_TABLE);
  let at = start;
  store<i32>(MISS_OFFSET, -1);
  for (let n: u32 = 0; n < stretches; n++) {
    const text = load<u32>(stretch);
    const bytes = load<u32>(stretch, 4);
    store<u32>(found + (n << 2), at);
    for (let done: u32 = 0; done < bytes; done += 16) {
      const left = bytes - done;
      const wanted = left >= 16 ? 0xffff : (1 << left) - 1;
      const equal = i8x16.bitmask(i8x16.eq(v128.load(text + done), v128.load(at + done)));
      const differ = ~equal & wanted;
      if (differ !== 0) {
        store<i32>(MISS_OFFSET, text + done + ctz(differ) - load<u32>(SHAPE_TEXT));
        return 0;
      }
    }
    at += bytes;
    if (n === stretches - 1) return load<u8>(at) === NEWLINE ? at : 0;
    if (load<u32>(stretch, 8) === NUMBER_GAP) at = skipNumber(at);
    else at = load<u8>(at) === QUOTE ? skipString(at) : 0;
    if (at === 0) return 0;
    stretch += STRETCH_BYTES;
  }
  return 0;
}

/** Takes a line that has the shape; false when it needs a closer look, and nothing was changed. */
function takeLine(start: u32, newline: u32): bool {
  const idGap = load<u32>(ID_GAP);
  const id = gapStart(idGap) + 1;
  const idEnd = gapEnd(idGap) - 1;
  if (hasEscape(id, idEnd)) return false;
  const number = findId(id, idEnd - id);
  if (number === -1) return false;
  const entry = <u32>number;
  const kind = load<u32>(FOUND) + entry;
  if (load<u8>(kind) !== 0) return false;

  let status: i32 = <i32>load<f64>(STATUS_SAID);
  const statusGap = load<i32>(STATUS_GAP);
  if (statusGap !== -1) {
    if (gapEnd(statusGap) - gapStart(statusGap) !== 3) return false;
    status = digitsOf(gapStart(statusGap), gapEnd(statusGap));
    if (status === -1) return false;
  }
  for (let n: u32 = 0; n < COUNTS; n++) {
    const gap = load<i32>(COUNT_GAPS + (n << 2));
    if (gap === -1) continue;
    if (gapEnd(gap) - gapStart(gap) > MOST_COUNT_DIGITS) return false;
    if (digitsOf(gapStart(gap), gapEnd(gap)) === -1) return false;
  }
  for (let n: u32 = 0; n < COUNTS; n++) {
    const gap = load<i32>(COUNT_GAPS + (n << 2));
    const said = load<f64>(COUNTS_SAID + (n << 3));
    const count = gap === -1 ? said : <f64>digitsOf(gapStart(gap), gapEnd(gap));
    store<f64>(USAGE + (n << 3), load<f64>(USAGE + (n << 3)) + count);
  }

  const responds = load<i32>(RESPONSE_STRETCH) !== -1;
  const ok = responds && status >= 200 && status < 300 && load<u32>(HAS_ERROR) === 0;
  store<u8>(kind, ok ? OK : FAILED);
  store<f64>(load<u32>(LINE_STARTS) + (entry << 3), load<f64>(LINE_PLACE) + <f64>start);
  store<u32>(load<u32>(LINE_LENGTHS) + (entry << 2), newline - start);
  let first: u32 = 0;
  let bytes: u32 = 0;
  if (responds) {
    first = stretchAt(load<u32>(RESPONSE_STRETCH)) + load<u32>(RESPONSE_OFFSET);
    const last = stretchAt(load<u32>(RESPONSE_END_STRETCH)) + load<u32>(RESPONSE_END_OFFSET);
    bytes = last + 1 - first;
    first -= start;
  }
  store<u32>(load<u32>(RESPONSE_STARTS) + (entry << 2), first);
  store<u32>(load<u32>(RESPONSE_LENGTHS) + (entry << 2), bytes);
  return true;
}

function stretchAt(stretch: u32): u32 {
  return load<u32>(load<u32>(FOUND_AT) + (stretch << 2));
}

function gapStart(gap: u32): u32 {
  return stretchAt(gap) + load<u32>(load<u32>(STRETCH_TABLE) + gap * STRETCH_BYTES, 4);
}

/** Behind a gap the next stretch begins. */
function gapEnd(gap: u32): u32 {
  return stretchAt(gap + 1);
}

/** What plain digits say, or -1. */
function digitsOf(start: u32, end: u32): i32 {
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit: u32 = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
