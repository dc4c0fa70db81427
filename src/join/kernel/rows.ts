import { copyFew, findNewline } from './bytes.ts';
import {
  ALL_ROWS,
  BLOCK_FULL,
  ID_ENDS,
  IDS_AT,
  LENGTHS,
  NEED_ANSWERS,
  NEED_RECORDS,
  OTHER_ROW,
  OUT_AT,
  OUT_END,
  OUT_FIRST,
  OUT_FULL,
  OUT_LAST,
  OUT_ROWS,
  PLACES,
  PREFIX_AT,
  PREFIX_BYTES,
  RECORDS_AT,
  RECORDS_END,
  ROW,
  ROW_TO,
  ROWS,
  SEEN,
  TAIL_AT,
  TAIL_BYTES,
  TEXTS,
} from './layout.ts';

// The texts lie one after the other from TEXTS on, as TypeScript put them there.
const ORDINAL_TEXT = TEXTS;
const ORDINAL_BYTES = 11;
const RECORD_TEXT = TEXTS + 32;
const RECORD_BYTES = 10;
const ID_TEXT = TEXTS + 64;
const ID_BYTES = 14;
const STATUS_TEXT = TEXTS + 96;
const STATUS_BYTES = 25;
const RESPONSE_TEXT = TEXTS + 128;
const RESPONSE_BYTES = 12;

const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;

/**
 * Puts rows together from their records and answers, until something is wanted that is not here, and
 * says what. The row it stops at is not begun. A line that is not as most are is OTHER_ROW: one that
 * may end in attempts or is no record line, a row without an answer in the room, or too long.
 */
export function composeRows(): i32 {
  const recordsEnd: u32 = load<u32>(RECORDS_END);
  const rows = load<u32>(ROWS);
  const to = load<u32>(ROW_TO);
  const lengths: u32 = load<u32>(LENGTHS);
  const places: u32 = load<u32>(PLACES);
  const outFull: u32 = load<u32>(OUT_FULL);
  const outEnd: u32 = load<u32>(OUT_END);
  const prefixAt: u32 = load<u32>(PREFIX_AT);
  const prefixBytes: u32 = load<u32>(PREFIX_BYTES);
  const idsAt: u32 = load<u32>(IDS_AT);
  const idEnds: u32 = load<u32>(ID_ENDS);
  const tailAt: u32 = load<u32>(TAIL_AT);
  const tailBytes: u32 = load<u32>(TAIL_BYTES);
  const begun = load<u32>(ROW);

  let at: u32 = load<u32>(RECORDS_AT);
  let out: u32 = load<u32>(OUT_AT);
  let seen: i64 = <i64>load<f64>(SEEN);
  let row = begun;
  let why = OTHER_ROW;
  for (; ; row++) {
    if (row === rows) {
      why = ALL_ROWS;
      break;
    }
    if (at === recordsEnd) {
      why = NEED_RECORDS;
      break;
    }
    if (row >= to) {
      why = NEED_ANSWERS;
      break;
    }
    const length: u32 = load<u32>(lengths + (row << 2));
    const place: u32 = load<u32>(places + (row << 2));
    if (length === 0 || place === 0) break;

    const newline = findNewline(at);
    if (load<u64>(at) !== load<u64>(ORDINAL_TEXT)) break;
    if (load<u32>(at + 7) !== load<u32>(ORDINAL_TEXT + 7)) break;
    const digits = at + ORDINAL_BYTES;
    let ordinalEnd = digits;
    let ordinal: i64 = 0;
    for (;;) {
      const digit: u32 = <u32>load<u8>(ordinalEnd) - 0x30;
      if (digit > 9) break;
      ordinal = ordinal * 10 + digit;
      ordinalEnd++;
    }
    if (ordinalEnd === digits || ordinal <= seen) break;
    if (load<u64>(ordinalEnd) !== load<u64>(RECORD_TEXT)) break;
    if (load<u16>(ordinalEnd + 8) !== load<u16>(RECORD_TEXT + 8)) break;
    const record = ordinalEnd + RECORD_BYTES;
    const recordEnd = newline - 1;
    if (record >= newline || load<u8>(recordEnd) !== CLOSE_BRACE) break;
    if (load<u8>(recordEnd - 1) === CLOSE_BRACKET) break;

    let id = prefixAt;
    let idBytes = prefixBytes;
    if (prefixAt === 0) {
      const from: u32 = row === 0 ? 0 : load<u32>(idEnds + ((row - 1) << 2));
      id = idsAt + from;
      idBytes = load<u32>(idEnds + (row << 2)) - from;
    }
    const fixed: u32 = ID_BYTES + STATUS_BYTES + RESPONSE_BYTES + tailBytes;
    // An ordinal twice: at the line's start and in the id. The last bytes are what `copyFew` writes over.
    const most: u32 = fixed + 2 * (ordinalEnd - at) + idBytes + (recordEnd - record) + length + 16;
    if (out + most > outEnd) {
      if (row !== begun || load<u32>(OUT_ROWS) !== 0) why = BLOCK_FULL;
      break;
    }

    copyFew(out, at, ordinalEnd - at);
    out += ordinalEnd - at;
    copyFew(out, ID_TEXT, ID_BYTES);
    out += ID_BYTES;
    copyFew(out, id, idBytes);
    out += idBytes;
    if (prefixAt !== 0) {
      copyFew(out, digits, ordinalEnd - digits);
      out += ordinalEnd - digits;
    }
    copyFew(out, STATUS_TEXT, STATUS_BYTES);
    out += STATUS_BYTES;
    memory.copy(out, record, recordEnd - record);
    out += recordEnd - record;
    copyFew(out, RESPONSE_TEXT, RESPONSE_BYTES);
    out += RESPONSE_BYTES;
    memory.copy(out, place, length);
    out += length;
    copyFew(out, tailAt, tailBytes);
    out += tailBytes;

    if (row === begun && load<u32>(OUT_ROWS) === 0) store<f64>(OUT_FIRST, <f64>ordinal);
    seen = ordinal;
    at = newline + 1;
    if (out >= outFull) {
      why = BLOCK_FULL;
      row++;
      break;
    }
  }
  if (row !== begun) {
    store<f64>(SEEN, <f64>seen);
    store<f64>(OUT_LAST, <f64>seen);
    store<u32>(OUT_ROWS, load<u32>(OUT_ROWS) + row - begun);
    store<u32>(RECORDS_AT, at);
    store<u32>(OUT_AT, out);
    store<u32>(ROW, row);
  }
  return why;
}
