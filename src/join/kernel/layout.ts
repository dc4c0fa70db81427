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

/** What stopped `takeLines`: nothing, a line of another shape, or one that needs a closer look. */
export const ALL_LINES = 0;
export const MISSED_LINE = 1;
export const ODD_LINE = 2;

/** The line it stopped at, and what is to be added to an address to have its place in the answers. */
export const LINE_AT = 512;
export const LINE_PLACE = 520;
/**
 * The shape of a line: stretches of its text and what follows each, as address, bytes, kind. Where
 * those of the last line that matched begin (by stretch), and which byte of the text, from its start,
 * was another one in the line that did not; -1 for none.
 */
export const STRETCH_COUNT = 528;
export const STRETCH_TABLE = 532;
export const FOUND_AT = 536;
export const MISS_OFFSET = 540;
export const SHAPE_TEXT = 544;
export const STRING_GAP = 1;
export const NUMBER_GAP = 2;
/** The stretches behind which the id, the status and the four counts follow; -1 for none. */
export const ID_GAP = 548;
export const STATUS_GAP = 552;
export const COUNT_GAPS = 556;
/** What a line of the shape says of them then (doubles), and whether its own error is not null. */
export const STATUS_SAID = 576;
export const COUNTS_SAID = 584;
export const HAS_ERROR = 616;
/** Stretch and offset in it of the response's first byte and of its last; the first is -1 for none. */
export const RESPONSE_STRETCH = 620;
export const RESPONSE_OFFSET = 624;
export const RESPONSE_END_STRETCH = 628;
export const RESPONSE_END_OFFSET = 632;
/** The sums of the four counts (doubles). */
export const USAGE = 640;
/**
 * Tables by number of the id: the line's place (Float64) and bytes, the response's first byte in the
 * line and its bytes, and what the line is (Uint8).
 */
export const LINE_STARTS = 672;
export const LINE_LENGTHS = 676;
export const RESPONSE_STARTS = 680;
export const RESPONSE_LENGTHS = 684;
export const FOUND = 688;
export const FAILED = 1;
export const OK = 2;
/** Ids that are a prefix and an ordinal from the first one (double) on; without one where the address is 0. */
export const IDS = 692;
export const ID_PREFIX_AT = 696;
export const ID_PREFIX_BYTES = 700;
export const FIRST_ORDINAL = 704;
/** Other ids, by row: address, bytes, hash and number. Then the slots, which hold a number plus one. */
export const ID_ENTRIES = 712;
export const ID_SLOTS = 716;
export const SLOT_MASK = 720;
/** Where their texts go on, and where they may not go on; where each ends, by row, from the first on. */
export const ID_TEXTS = 724;
export const ID_TEXT_AT = 728;
export const ID_TEXT_END = 732;
export const ID_TEXT_ENDS = 736;
export const MOST_IDS = 740;
/** By row: where its request line ends in the file, the newline included (Float64). */
export const REQUEST_ENDS = 744;
/** The start of a request line. */
export const REQUEST_START = 768;
export const REQUEST_START_TEXT = '{"custom_id":"';

export const LAYOUT_BYTES = 1024;
