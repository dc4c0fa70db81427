import type { RawFrame } from './raw-wish.ts';

/** What stands in a field of a raw record. */
export const ABSENT = 0;
/** A string; the span is its text as it is. */
export const TEXT = 1;
/** A string; the span is its text with JSON's escapes. */
export const ESCAPED = 2;
/** A number, true or false, as JavaScript writes it. */
export const SCALAR = 3;
export const NULL = 4;
/** An object or array. */
export const NESTED = 5;

/**
 * A record that was never made an object: its JSON as `JSON.stringify` would write it, and where the
 * fields that were asked for lie in it. Valid until its reader gives the record after the next.
 */
export class RawRecord {
  /** The record's JSON is `bytes[start, end)`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Triples of start, end and kind, one for each field that was asked for, or place of the frame. */
  readonly spans: Int32Array;
  readonly at: number;
  /** What it is, but for the strings at its places; null where fields were asked for. */
  readonly frame: RawFrame | null;

  constructor(
    bytes: Buffer,
    start: number,
    end: number,
    spans: Int32Array,
    at: number,
    frame: RawFrame | null,
  ) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.spans = spans;
    this.at = at;
    this.frame = frame;
  }

  /** The record as an object, the same that the plain way makes. */
  parse(): unknown {
    return JSON.parse(this.bytes.toString('utf8', this.start, this.end));
  }
}
