import { beginTexts, closeText, finishTexts, text } from './texts.ts';

const LF: i32 = 0x0a;
const CR: i32 = 0x0d;
const QUOTE: i32 = 0x22;

/**
 * Reads the next row of CSV, whose lines end in LF, behind empty lines, if it is whole, has so many
 * columns, and nothing stands behind a closing quote. Gives where the next row may start, or -1.
 */
export function readRow(from: i32, limit: i32, columns: i32, delimiter: i32): i32 {
  const quote = i8x16.splat(<i8>QUOTE);
  const comma = i8x16.splat(<i8>delimiter);
  const lf = i8x16.splat(<i8>LF);
  let at = skipEmptyLines(from, limit);
  const start = at;
  beginTexts();
  for (let field = 0; field < columns; field++) {
    if (at >= limit) return -1;
    let to = text;
    /** Behind the last byte of the row, once that was met. */
    let end = 0;
    if (load<u8>(at) === QUOTE) {
      at++;
      let after = QUOTE;
      do {
        const bytes = v128.load(at);
        v128.store(to, bytes);
        const quotes = i8x16.bitmask(i8x16.eq(bytes, quote));
        if (quotes === 0) {
          at += 16;
          to += 16;
          if (at < limit) continue;
          return -1;
        }
        const before = ctz(quotes);
        to += before;
        at += before + 1;
        // One quote of two, if this is the first of them, is already in its place.
        after = <i32>load<u8>(at);
        if (after !== QUOTE) break;
        to++;
        at++;
      } while (at < limit);
      if (at >= limit) return -1;
      if (after === delimiter) {
        at++;
      } else {
        end = at;
        if (after === CR) after = <i32>load<u8>(++at);
        if (after !== LF || at >= limit) return -1;
        at++;
      }
    } else {
      const first = at;
      for (;;) {
        const bytes = v128.load(at);
        v128.store(to, bytes);
        const stops = i8x16.bitmask(v128.or(i8x16.eq(bytes, comma), i8x16.eq(bytes, lf)));
        if (stops === 0) {
          at += 16;
          to += 16;
          if (at < limit) continue;
          return -1;
        }
        const before = ctz(stops);
        at += before;
        to += before;
        break;
      }
      if (at >= limit) return -1;
      if (load<u8>(at) === LF) {
        end = at;
        if (at > first && load<u8>(at - 1) === CR) {
          to--;
          end--;
        }
      }
      at++;
    }
    closeText(field, to);
    if (end === 0) continue;
    if (field + 1 !== columns) return -1;
    finishTexts(start, end);
    return at;
  }
  return -1;
}

function skipEmptyLines(from: i32, limit: i32): i32 {
  let at = from;
  while (at < limit) {
    const byte = <i32>load<u8>(at);
    if (byte === LF) at++;
    else if (byte === CR && load<u8>(at + 1) === LF) at += 2;
    else break;
  }
  return at;
}
