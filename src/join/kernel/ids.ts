import { copyFew, findNewline } from './bytes.ts';
import {
  ALL_LINES,
  FIRST_ORDINAL,
  ID_ENTRIES,
  ID_PREFIX_AT,
  ID_PREFIX_BYTES,
  ID_SLOTS,
  ID_TEXT_AT,
  ID_TEXT_END,
  ID_TEXT_ENDS,
  ID_TEXTS,
  IDS,
  LINE_AT,
  LINE_PLACE,
  MOST_IDS,
  ODD_LINE,
  REQUEST_ENDS,
  REQUEST_START,
  SLOT_MASK,
} from './layout.ts';
import { BACKSLASH, QUOTE } from './strings.ts';

const ENTRY_BITS = 4;
const MOST_DIGITS: u32 = 15;
const REQUEST_START_BYTES = 14;
const CLOSE_BRACE: u8 = 0x7d;
/** An odd number with bits all over. */
const MULTIPLIER: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;

/** The number of the id, or -1 for one that is not the shard's. */
export function findId(at: u32, bytes: u32): i32 {
  return load<u32>(ID_PREFIX_AT) === 0 ? findListed(at, bytes) : findOrdinal(at, bytes);
}

/** By the ordinal, as it is written in an id of ours. */
function findOrdinal(at: u32, bytes: u32): i32 {
  const prefixBytes = load<u32>(ID_PREFIX_BYTES);
  const digits = bytes - prefixBytes;
  if (bytes <= prefixBytes || digits > MOST_DIGITS) return -1;
  if (!same(at, load<u32>(ID_PREFIX_AT), prefixBytes)) return -1;
  const from = at + prefixBytes;
  if (load<u8>(from) === 0x30 && digits > 1) return -1;
  let ordinal: i64 = 0;
  for (let n: u32 = 0; n < digits; n++) {
    const digit: u32 = <u32>load<u8>(from + n) - 0x30;
    if (digit > 9) return -1;
    ordinal = ordinal * 10 + digit;
  }
  const row = ordinal - <i64>load<f64>(FIRST_ORDINAL);
  return row >= 0 && row < load<u32>(IDS) ? <i32>row : -1;
}

function findListed(at: u32, bytes: u32): i32 {
  const slots = load<u32>(ID_SLOTS);
  const mask = load<u32>(SLOT_MASK);
  const entries = load<u32>(ID_ENTRIES);
  const hash = hashOf(at, bytes);
  let slot = hash & mask;
  let number: i32 = load<u32>(slots + (slot << 2)) - 1;
  while (number !== -1) {
    const entry = entries + ((<u32>number) << ENTRY_BITS);
    if (load<u32>(entry, 8) === hash && load<u32>(entry, 4) === bytes) {
      if (same(at, load<u32>(entry), bytes)) return number;
    }
    slot = (slot + 1) & mask;
    number = load<u32>(slots + (slot << 2)) - 1;
  }
  return -1;
}

/**
 * Lists the ids of the request lines from `from` to `end`. Says ODD_LINE at one whose id is not plain
 * text, that is no request line, or for which there is no room.
 */
export function addIds(from: u32, end: u32): i32 {
  let at = from;
  while (at < end) {
    const id = at + REQUEST_START_BYTES;
    let idEnd = id;
    if (same(at, REQUEST_START, REQUEST_START_BYTES)) {
      while (load<u8>(idEnd) !== QUOTE && load<u8>(idEnd) !== BACKSLASH && load<u8>(idEnd) !== 0x0a)
        idEnd++;
    }
    const newline = findNewline(idEnd < end ? idEnd : at);
    const plain = load<u8>(idEnd) === QUOTE && load<u8>(newline - 1) === CLOSE_BRACE;
    const lineEnd = load<f64>(LINE_PLACE) + <f64>(newline + 1);
    if (!plain || idEnd === id || !addId(id, idEnd - id, 0, 0, lineEnd)) {
      store<u32>(LINE_AT, at);
      return ODD_LINE;
    }
    at = newline + 1;
  }
  return ALL_LINES;
}

/**
 * Lists one id: its text as it stands in JSON and, where that is another one, its own; and where its
 * line ends. False when there is no room.
 */
export function addId(text: u32, textBytes: u32, own: u32, ownBytes: u32, lineEnd: f64): bool {
  const row = load<u32>(IDS);
  const to = load<u32>(ID_TEXT_AT);
  const end = load<u32>(ID_TEXT_END);
  if (row === load<u32>(MOST_IDS) || to + textBytes + ownBytes + 32 > end) return false;
  copyFew(to, text, textBytes);
  store<u32>(ID_TEXT_AT, to + textBytes);
  store<u32>(load<u32>(ID_TEXT_ENDS) + (row << 2), to + textBytes - load<u32>(ID_TEXTS));
  const entry = load<u32>(ID_ENTRIES) + (row << ENTRY_BITS);
  let address = to;
  let bytes = textBytes;
  if (own !== 0) {
    address = end - ownBytes - 16;
    bytes = ownBytes;
    memory.copy(address, own, ownBytes);
    store<u32>(ID_TEXT_END, address);
  }
  store<u32>(entry, address);
  store<u32>(entry, bytes, 4);
  store<u32>(entry, hashOf(address, bytes), 8);
  store<f64>(load<u32>(REQUEST_ENDS) + (row << 3), lineEnd);
  store<u32>(IDS, row + 1);
  return true;
}

/** Makes the listed ids known to `findId`: the first of equal ones gives its number to the others. */
export function numberIds(): void {
  const rows = load<u32>(IDS);
  const slots = load<u32>(ID_SLOTS);
  const entries = load<u32>(ID_ENTRIES);
  const mask = load<u32>(SLOT_MASK);
  memory.fill(slots, 0, (mask + 1) << 2);
  for (let row: u32 = 0; row < rows; row++) {
    const entry = entries + (row << ENTRY_BITS);
    const known = findListed(load<u32>(entry), load<u32>(entry, 4));
    store<u32>(entry, known === -1 ? row : known, 12);
    if (known !== -1) continue;
    let slot = load<u32>(entry, 8) & mask;
    while (load<u32>(slots + (slot << 2)) !== 0) slot = (slot + 1) & mask;
    store<u32>(slots + (slot << 2), row + 1);
  }
}

/** Eight bytes at a time; what is behind the text is not part of it. */
function hashOf(at: u32, bytes: u32): u32 {
  let hash: u64 = bytes;
  let done: u32 = 0;
  for (; done + 8 <= bytes; done += 8) hash = mixed(hash ^ load<u64>(at + done));
  const left = bytes - done;
  if (left > 0) hash = mixed(hash ^ (load<u64>(at + done) << (64 - (left << 3))));
  return <u32>(hash >> 32);
}

function mixed(value: u64): u64 {
  const product = value * MULTIPLIER;
  return product ^ (product >> 29);
}

function same(at: u32, as: u32, bytes: u32): bool {
  for (let done: u32 = 0; done < bytes; done += 16) {
    const left = bytes - done;
    const wanted = left >= 16 ? 0xffff : (1 << left) - 1;
    const equal = i8x16.bitmask(i8x16.eq(v128.load(at + done), v128.load(as + done)));
    if ((equal & wanted) !== wanted) return false;
  }
  return true;
}
