// Where things lie in the kernel's memory. The sizes are what one record may take; a record that
// needs more is read without the kernel.

/** Objects longer than this, and rows of CSV, are not taken. Bytes. */
export const MOST_BYTES: i32 = 256 * 1024;
export const MOST_FIELDS: i32 = 1024;
/** Texts of up to so many bytes are put side by side; must be a multiple of 16. */
export const SHORT_BYTES: i32 = 64;
/** Bytes are read and copied 16 at a time, also over the end of what is meant. */
export const SLACK_BYTES: i32 = 64;

/** Of the record that was read last: where it starts, where it ends, bytes of its short texts. */
export const FOUND: i32 = 64;
/** By the letter behind a backslash: the byte that it stands for, or 0. */
export const MEANS: i32 = 256;
/** By byte: the value of a hexadecimal digit, or -1. */
export const HEX: i32 = 512;
/** What became of each field, 16 bytes each: its kind, and from byte 8 its number, or start and end. */
export const FIELDS: i32 = 1024;
/** The shape of objects: how many values, then what stands before each and behind the last. */
export const SHAPE: i32 = FIELDS + 16 * MOST_FIELDS;
export const SHAPE_BYTES: i32 = 32 * 1024;
/** The short texts of a record. */
export const SHORTS: i32 = SHAPE + SHAPE_BYTES + SLACK_BYTES;
/** Its long texts. */
export const LONGS: i32 = SHORTS + MOST_FIELDS * SHORT_BYTES + SLACK_BYTES;
/** What is read: all of the memory from here on but for the slack. */
export const INPUT: i32 = LONGS + MOST_BYTES + SLACK_BYTES;

/** A text among the short ones: start and end in UTF-16 units of them all. */
export const SHORT: i32 = 0;
/** A text by itself: start and end in the memory. */
export const LONG: i32 = 1;
export const NUMBER: i32 = 2;
/** An object or array, not looked into: start and end in the memory. */
export const NESTED: i32 = 3;
export const TRUE: i32 = 4;
export const FALSE: i32 = 5;
export const NULL: i32 = 6;
