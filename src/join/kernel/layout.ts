// Where the kernel and its callers leave each other numbers: offsets from the start of the memory.
// Addresses and counts are 32 bits wide, what may be more is a double.

/** What stopped `composeRows`. */
export const NEED_RECORDS = 0;
export const BLOCK_FULL = 1;
export const NEED_ANSWERS = 2;
export const OTHER_ROW = 3;
export const ALL_ROWS = 4;

// Rows: the record lines that are left, the row they begin with, and the row behind the last one.
export const RECORDS_AT = 0;
export const RECORDS_END = 4;
export const ROW = 8;
export const ROWS = 12;
/** The first row whose answer is not in the room. */
export const ROW_TO = 16;
/** Tables by row: where the response lies in the answers (Float64), its bytes, its address in the room. */
export const STARTS = 20;
export const LENGTHS = 24;
export const PLACES = 28;
/** The block of output: where it goes on, from where on it is full, and its end. */
export const OUT_AT = 32;
export const OUT_FULL = 36;
export const OUT_END = 40;
/** Rows in the block. */
export const OUT_ROWS = 44;
/** Ordinals: of the last row, and of the first and the last one in the block. */
export const SEEN = 48;
export const OUT_FIRST = 56;
export const OUT_LAST = 64;
/** What stands before the ordinal in each id; or, where the address is 0, the ids and their ends. */
export const PREFIX_AT = 72;
export const PREFIX_BYTES = 76;
export const IDS_AT = 80;
export const ID_ENDS = 84;
/** How a row ends. */
export const TAIL_AT = 88;
export const TAIL_BYTES = 92;

// The room: where answers are kept until their rows are put together.
export const ROOM_AT = 96;
export const ROOM_BYTES = 100;
/** Stretches of the answers' files, each `1 << STRETCH_BITS` bytes. */
export const STRETCHES = 104;
export const STRETCH_BITS = 108;
/** By stretch: the last row found in it plus one, and the range of the wanted answers in it (Float64). */
export const HEADS = 112;
export const RANGES = 116;
/** By row: the one found before it in its stretch, plus one. */
export const NEXTS = 120;

/** The constant texts of a row, each with 16 bytes of room. */
export const TEXTS = 256;
export const ORDINAL_KEY = '{"ordinal":';
export const RECORD_KEY = ',"record":';
export const ID_KEY = ',"custom_id":"';
export const STATUS_AND_RECORD_KEY = '","status":"ok","record":';
export const RESPONSE_KEY = ',"response":';
export const LAYOUT_BYTES = 1024;
