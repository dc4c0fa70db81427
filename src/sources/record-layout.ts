// Where things lie in the kernel's memory, for it and for who calls it. The sizes are what one record
// may take; a record that needs more is read without the kernel.

/** Of the memory. */
export const MEMORY_BYTES = 1024 * 1024; // 1 MiB

/** Objects longer than this, and rows of CSV, are not taken. Bytes. */
export const MOST_BYTES = 256 * 1024;
export const MOST_FIELDS = 1024;
/** Texts of up to so many bytes are put side by side; must be a multiple of 16. */
export const SHORT_BYTES = 64;
/** Bytes are read and copied 16 at a time, also over the end of what is meant. Of the input, zeros. */
export const SLACK_BYTES = 64;

/** Of the record that was read last: where it starts, where it ends, bytes of its short texts. */
export const FOUND = 64;
/** By the letter behind a backslash: the byte that it stands for, or 0. */
export const MEANS = 256;
/** By byte: the value of a hexadecimal digit, or -1. */
export const HEX = 512;
/** What became of each field: its kind, and from byte 8 its number, or start and end. */
export const FIELDS = 1024;
export const ENTRY_BYTES = 16;
/** The shape of objects: how many values, then what stands before each and behind the last. */
export const SHAPE = FIELDS + ENTRY_BYTES * MOST_FIELDS;
export const SHAPE_BYTES = 32 * 1024;
/** The short texts of a record. */
export const SHORTS = SHAPE + SHAPE_BYTES + SLACK_BYTES;
/** Its long texts. */
export const LONGS = SHORTS + MOST_FIELDS * SHORT_BYTES + SLACK_BYTES;
/** What is read. */
export const INPUT = LONGS + MOST_BYTES + SLACK_BYTES;
export const INPUT_BYTES = MEMORY_BYTES - SLACK_BYTES - INPUT;

/** A text among the short ones: start and end in UTF-16 units of them all. */
export const SHORT = 0;
/** A text by itself: start and end in the memory. */
export const LONG = 1;
export const NUMBER = 2;
/** An object or array, not looked into: start and end in the memory. */
export const NESTED = 3;
export const TRUE = 4;
export const FALSE = 5;
export const NULL = 6;
