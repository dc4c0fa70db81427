// Where everything lies in the memory of a counting kernel, in bytes. The kernel reads this file too:
// numbers only. The tables of the encoding come first, which threads share; then a region for each
// thread, with what it remembers and the text at hand. Pages that are never touched take no room.

const KIB = 1024;
const MIB = 1024 * 1024;

/** How many regions are taken: 32 bits, counted up by the threads. */
export const CLAIMED = 64;

// What the patterns make of ASCII, from words.ts: a byte for each byte.
/** By first byte of a word: bits of the bytes that need not be small letters, were the second a capital. */
export const STARTS = 1 * KIB;
/** By second byte: the bits that may be taken from `STARTS`. */
export const SECONDS = STARTS + 256;
/** By the byte after a word: 1 where the word may go on. */
export const GOES_ON = SECONDS + 256;
/** By byte: its class. */
export const KINDS = GOES_ON + 256;
/** By the classes of three bytes: the bytes of the first piece, or its shape. */
export const SHAPES = KINDS + 256;

// The classes of all characters, from classes.ts.
export const BLOCKS = 64 * KIB; // 16 bits each
export const FINE = 128 * KIB; // a byte each

/** By byte: its token, 32 bits each. */
export const OF_BYTE = 4 * KIB;
/** By two bytes, `second << 8 | first`: the tokens of that piece, a byte each. */
export const PAIR_COUNTS = 192 * KIB;
/** By two bytes, `second << 8 | first`: the token they merge into, or `NONE`; 32 bits each. */
export const OF_BYTES = 256 * KIB;
/** By the two bytes at a border, `after << 8 | before`: the lowest token that merges across it. */
export const LOWEST = 512 * KIB;
/** Bits by hash of two tokens: where it is 0 they merge into nothing. */
export const MAYBE = 768 * KIB;
/** Two numbers of 32 bits a token: the tokens that merge into it, left and right. */
export const HALVES = 1 * MIB;
/** By group of merges: how far apart they are laid, a byte each; `data/<name>-places.bin` as it lies. */
export const PLACES = 3 * MIB - 64 * KIB;
/** A hash table, 64 bits a slot: the left token and the right, 18 bits each, a bit, and what they merge into. */
export const PAIRS = 3 * MIB;
/** The paths of the tokens, `data/<name>-trie.bin` as it lies. */
export const TRIE = 5 * MIB;
export const TABLES_END = 9 * MIB;

/** Bits of a token's number. */
export const TOKEN_BITS = 18;
/** Above all tokens: none. */
export const NONE = (1 << TOKEN_BITS) - 1;

// Logarithms of the slots of tables, which are as large as is of use and as dense as can be: what a
// look-up costs is its cache miss.
export const MAYBE_LOG = 21; // 256 KiB
export const GROUPS_LOG = 16; // 64 KiB
export const PAIRS_LOG = 18; // 2 MiB
/** Pieces of up to 7 bytes, two places side by side, 8 bytes each. */
export const SMALL_LOG = 17; // 2 MiB
/** Pieces of 8 to 15 bytes, 16 bytes each. */
export const MIDDLE_LOG = 17; // 2 MiB
/** Pieces of 16 to 27 bytes, 32 bytes each. */
export const LARGE_LOG = 16; // 2 MiB
/** Neighbours looked at last, 8 bytes each. */
export const BORDERS_LOG = 15; // 256 KiB

/** The most bytes of text whose pieces wait at a time; one piece may go on beyond them. */
export const LINE_BYTES = 4 * KIB;

// Places in a region.
export const SMALL = 0;
export const MIDDLE = 2 * MIB;
export const LARGE = 4 * MIB;
export const BORDERS = 6 * MIB;
/** Pieces of up to 7 bytes that wait, 8 bytes each. */
export const SMALL_LINE = BORDERS + 256 * KIB;
/** Longer pieces that wait: where they begin and their length, 32 bits each. */
export const LONG_LINE = SMALL_LINE + 64 * KIB;
/** Pieces that are being encoded, and where they are, 32 bits each. */
export const PIECES = LONG_LINE + 16 * KIB;
export const ACTIVE = PIECES + 64 * KIB;
export const TEXT = BORDERS + 1 * MIB;
/** Bytes beyond a text that may be looked at. */
export const PADDING = 64;
