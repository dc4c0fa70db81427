/** `1,234,567`, the same in every locale. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 row`, `2 rows`, `3 batches`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** `512 B`, `1.2 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `0.0123 USD`, `12.34 USD`, or `unknown` without a price. */
export function money(value: number | null, currency: string): string {
  if (value === null) return 'unknown';
  if (value === 0) return `0 ${currency}`;
  const digits = value >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(value)));
  return `${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${currency}`;
}

/** The text in so many terminal cells at most; what is cut shows as `…`. */
export function shorten(text: string, width: number): string {
  if (cells(text) <= width) return text;
  let used = 0;
  let out = '';
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += graphemeCells(segment);
    if (used > width - 1) break;
    out += segment;
  }
  return `${out}…`;
}

/** Terminal cells that a text takes: wide characters take two. */
export function cells(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let sum = 0;
  for (const { segment } of GRAPHEMES.segment(text)) sum += graphemeCells(segment);
  return sum;
}

const PLAIN = /^[\x20-\x7e]*$/;
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

function graphemeCells(segment: string): number {
  return WIDE.test(segment) || /\p{Emoji_Presentation}/u.test(segment) ? 2 : 1;
}

/** A word of a shell command, quoted when it has to be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
