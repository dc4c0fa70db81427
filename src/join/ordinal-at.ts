import { damaged } from './damaged.ts';

const ZERO = 0x30;
const ORDINAL_PREFIX = Buffer.from('{"ordinal":');

/** The ordinal at the fixed start of the row's line `bytes[start, end)`. */
export function ordinalAt(bytes: Buffer, start: number, end: number, where: string): number {
  const digits = start + ORDINAL_PREFIX.length;
  let at = digits;
  let ordinal = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    ordinal = ordinal * 10 + digit;
  }
  const whole = at > digits && ORDINAL_PREFIX.compare(bytes, start, digits) === 0;
  if (!whole) throw damaged(where, undefined, 'a line does not start with its ordinal');
  return ordinal;
}
