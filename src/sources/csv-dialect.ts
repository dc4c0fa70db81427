import { UsageError } from '../core/errors.ts';
import { CsvScanner, type Newline } from './csv-scanner.ts';

/** Bytes from the start of a file that its delimiter and line ends are read from. */
export const SAMPLE_BYTES = 64 * 1024; // 64 KiB
const SAMPLE_RECORDS = 50;
/** In the order in which they win when nothing else decides. */
const DELIMITERS = [',', '\t', ';', '|'] as const;
const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** How a CSV is written. */
export interface CsvDialect {
  /** One ASCII character. */
  readonly delimiter: string;
  readonly newline: Newline;
}

/**
 * Reads the dialect from the first bytes of a file, without BOM. Of the delimiters , tab ; | the one
 * wins that cuts most of the first records into as many fields as the first has, more fields
 * before fewer; a comma when none cuts anything.
 */
export function detectDialect(sample: Buffer, whole: boolean, delimiter?: string): CsvDialect {
  const newline = detectNewline(sample);
  if (delimiter !== undefined) return { delimiter, newline };
  let best: string = DELIMITERS[0];
  let bestScore = 0;
  for (const candidate of DELIMITERS) {
    const score = consistency(sample, whole, candidate, newline);
    if (score > bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return { delimiter: best, newline };
}

/** Bytes of the mark at the start of the data: 3 or 0. */
export function bomLength(data: Uint8Array): number {
  return data.length >= 3 && UTF8_BOM.every((byte, i) => data[i] === byte) ? 3 : 0;
}

/** The delimiter's byte. Throws a UsageError when it is not one character of ASCII. */
export function delimiterByte(delimiter: string): number {
  const code = delimiter.charCodeAt(0);
  if (delimiter.length !== 1 || code > 127 || '"\r\n'.includes(delimiter)) {
    throw new UsageError(
      `the delimiter ${JSON.stringify(delimiter)} cannot be used: give one ASCII character that is neither a quote nor a line end`,
    );
  }
  return code;
}

function detectNewline(sample: Buffer): Newline {
  return sample.includes(10) || !sample.includes(13) ? 'lf' : 'cr';
}

function consistency(sample: Buffer, whole: boolean, delimiter: string, newline: Newline): number {
  const scanner = new CsvScanner(delimiterByte(delimiter), newline);
  scanner.load(sample, 0);
  let width = 0;
  let records = 0;
  let same = 0;
  while (records < SAMPLE_RECORDS && scanner.next(whole)) {
    if (records === 0) width = scanner.count;
    if (scanner.count === width) same++;
    records++;
  }
  // The first record alone may be longer than the sample; then its fields so far decide.
  if (records === 0) width = same = records = scanner.count;
  if (width < 2) return 0;
  return (same / records) * 1000 + Math.min(width, 999) / 1000;
}
