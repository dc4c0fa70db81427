// Records of JSON and CSV as bytes: looked through once, and put into the form that JSON.stringify gives.
import { CLOSE_BRACE, copy, ESCAPED, QUOTE, STEP, TEXT } from './bytes.ts';
import { rewrite, stopsAt, writeEscape } from './strings.ts';
import { kind, usual, valueEnd } from './values.ts';

/** What `take` gives beside the end of a record that it wrote. */
const NOT_TAKEN: i32 = -1;
const AS_IT_IS: i32 = 0;
const ODD_VALUES: i32 = 1;

/** Bytes of a shape's own words, before those of its values. */
const SHAPE_BYTES: i32 = 24;

/**
 * Goes through the object `[at, stop)`, which must be of the shape: the same bytes between its values.
 * Fills the table of values
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
  let unusual = load<i32>(shape, 20) === 0;
  let odd = false;
  let value = values;
  const lastKey = shape + SHAPE_BYTES + keys * 20;
  for (let key = shape + SHAPE_BYTES; key < lastKey; key += 20) {
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
  for (let key = shape + SHAPE_BYTES; key < lastKey; key += 20) {
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
  let size = load<i32>(shape, 16) + STEP;
  for (let k = 0; k < keys; k++) {
    const value = values + k * 12;
    size += load<i32>(shape + SHAPE_BYTES + 12 + k * 20) + load<i32>(value, 4) - load<i32>(value);
    if (size > limit - out) return NOT_TAKEN;
  }
  let to = out;
  for (let k = 0; k < keys; k++) {
    const key = shape + SHAPE_BYTES + k * 20;
    const value = values + k * 12;
    const start = load<i32>(value);
    const end = load<i32>(value, 4);
    let form = load<i32>(value, 8);
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
  return copy(load<i32>(shape, 12), load<i32>(shape, 16), to);
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
      const stops = stopsAt(from);
      v128.store(to, v128.load(from));
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

function same(at: i32, text: i32, bytes: i32): bool {
  let i = 0;
  for (; i + 16 <= bytes; i += 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(at + i), v128.load(text + i))) !== 0xffff) return false;
  }
  const rest = (1 << (bytes - i)) - 1;
  const alike = i8x16.bitmask(i8x16.eq(v128.load(at + i), v128.load(text + i)));
  return (alike & rest) === rest;
}

/** Notes where a field lies, a string without its quotes. */
function note(span: i32, start: i32, end: i32, form: i32): void {
  const quotes = form <= ESCAPED ? 1 : 0;
  store<i32>(span, start + quotes);
  store<i32>(span, end - quotes, 4);
  store<i32>(span, form, 8);
}
