// What words.ts tells the kernel of a piece whose first bytes are ASCII, beside a length of up to 3.

/** A run of symbols, and line ends. */
export const SYMBOLS = 4;
/** The same behind a blank. */
export const BLANK_SYMBOLS = 5;
/** A run of white space. */
export const WHITE = 6;
/** A word that begins with capitals. */
export const CAPITALS = 7;
/** The same behind one other character. */
export const PREFIX_CAPITALS = 8;
