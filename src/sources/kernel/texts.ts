import { FIELDS, FOUND, LONG, LONGS, SHORT, SHORT_BYTES, SHORTS } from '../record-layout.ts';

/** Where the next text is written. */
export let text: i32 = 0;
let shorts: i32 = 0;
/** UTF-16 units of the short texts so far. */
let units: i32 = 0;

/** Begins a record. */
export function beginTexts(): void {
  text = LONGS;
  shorts = SHORTS;
  units = 0;
}

/** The text of a field has been written up to `end`. */
export function closeText(field: i32, end: i32): void {
  const length = end - text;
  const entry = FIELDS + (field << 4);
  if (length > SHORT_BYTES) {
    store<i32>(entry, LONG);
    store<i32>(entry + 8, text);
    store<i32>(entry + 12, end);
    text = end;
    return;
  }
  store<i32>(entry, SHORT);
  store<i32>(entry + 8, units);
  units += length;
  for (let i = 0; i < length; i += 16) {
    const bytes = v128.load(text + i);
    v128.store(shorts + i, bytes);
    const wide = i8x16.bitmask(bytes);
    if (wide !== 0) units -= narrower(bytes, length - i);
  }
  shorts += length;
  store<i32>(entry + 12, units);
}

/** The record is whole. */
export function finishTexts(start: i32, end: i32): void {
  store<i32>(FOUND, start);
  store<i32>(FOUND + 4, end);
  store<i32>(FOUND + 8, shorts - SHORTS);
}

/** By how many UTF-16 units the first of these bytes are fewer than they are. */
function narrower(bytes: v128, count: i32): i32 {
  const counted = count >= 16 ? 0xffff : (1 << count) - 1;
  // Each byte behind the first of a character is one too many; four bytes are two units.
  const behind = i8x16.bitmask(i8x16.lt_s(bytes, i8x16.splat(-64)));
  const four = i8x16.bitmask(i8x16.ge_u(bytes, i8x16.splat(-16)));
  return popcnt(behind & counted) - popcnt(four & counted);
}
