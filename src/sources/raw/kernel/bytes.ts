// What the files of this kernel share.

export const QUOTE: u32 = 0x22;
export const BACKSLASH: u32 = 0x5c;
export const U: u32 = 0x75;
export const OPEN_BRACE: u32 = 0x7b;
export const CLOSE_BRACE: u32 = 0x7d;
export const OPEN_BRACKET: u32 = 0x5b;
export const CLOSE_BRACKET: u32 = 0x5d;
export const COMMA: u32 = 0x2c;
export const POINT: u32 = 0x2e;
export const MINUS: u32 = 0x2d;
export const ZERO: u32 = 0x30;

// The kinds of raw-record.ts. In a table of values a kind is negative for an unusual form.
export const TEXT: i32 = 1;
export const ESCAPED: i32 = 2;
export const SCALAR: i32 = 3;
export const NULL: i32 = 4;
export const NESTED: i32 = 5;

/** Room that a step of writing may need: an escape, or 16 bytes. */
export const STEP: i32 = 16;

/** Copies `bytes`; gives where the copy ends. */
export function copy(from: i32, bytes: i32, to: i32): i32 {
  if (bytes > 512) {
    memory.copy(to, from, bytes);
  } else {
    for (let i = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
  }
  return to + bytes;
}
