// What the splitting patterns tell apart, for the kernel too. A letter is UPPER, LOWER or LETTER.
/** Punctuation, symbols, controls and what is not assigned. */
export const OTHER = 0;
/** Lu and Lt. */
export const UPPER = 1;
/** Ll. */
export const LOWER = 2;
/** Lm and Lo. */
export const LETTER = 3;
/** M. */
export const MARK = 4;
/** N. */
export const NUMBER = 5;
/** White space without line ends. */
export const SPACE = 6;
/** CR and LF. */
export const LINE_END = 7;
