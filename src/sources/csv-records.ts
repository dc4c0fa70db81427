import { DOUBLED, MAX_FIELDS, MIXED } from './csv-scanner.ts';
import { type ObjectMaker, objectMaker } from './object-maker.ts';

const QUOTE = 34;
const DOUBLED_QUOTE = /""/g;
/** Of longer texts the bytes are replaced: the engine keeps some 32 bytes for each match until the end. */
const LONG_CHARS = 64 * 1024;

/** Makes a record of the offsets that the scanner found; it has as many fields as columns. */
export interface RecordMaker<T> {
  object(data: Buffer, fields: Int32Array, start: number, end: number): T;
}

/** Turns the offsets that the scanner found into strings and objects. */
export class CsvRecords implements RecordMaker<Record<string, string>> {
  readonly #make: ObjectMaker<string>;
  readonly #count: number;

  constructor(columns: readonly string[]) {
    this.#make = objectMaker(columns);
    this.#count = columns.length;
  }

  /** The record as an object by column; it has as many fields as there are columns. */
  object(data: Buffer, fields: Int32Array): Record<string, string> {
    return this.#make(fieldTexts(data, fields, this.#count));
  }
}

/** Every field of the record as a string. */
export function fieldTexts(data: Buffer, fields: Int32Array, count: number): string[] {
  const texts: string[] = [];
  for (let at = 0; at < Math.min(count, MAX_FIELDS) * 3; at += 3) {
    texts.push(unquoted(fieldText(data, fields[at]!, fields[at + 1]!), fields[at + 2]!));
  }
  return texts;
}

function fieldText(data: Buffer, start: number, end: number): string {
  return start === end ? '' : data.toString('utf8', start, end);
}

function unquoted(text: string, kind: number): string {
  if (kind === DOUBLED) return singleQuotes(text);
  return kind === MIXED ? mixedText(text) : text;
}

/** `"a ""b"" c"d"e` is `a "b" cd"e`: quotes behind the closing one are data. */
function mixedText(text: string): string {
  let close = 1;
  while (text.charCodeAt(close) !== QUOTE || text.charCodeAt(close + 1) === QUOTE) {
    close += text.charCodeAt(close) === QUOTE ? 2 : 1;
  }
  return singleQuotes(text.slice(1, close)) + text.slice(close + 1);
}

/** The text, in which quotes come in pairs, with one for each pair. */
function singleQuotes(text: string): string {
  if (text.length <= LONG_CHARS) return text.replace(DOUBLED_QUOTE, '"');
  const bytes = Buffer.from(text);
  let to = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    bytes[to++] = byte;
    if (byte === QUOTE) at++;
  }
  return bytes.toString('utf8', 0, to);
}
