import { DOUBLED, MAX_FIELDS, MIXED, PLAIN } from './csv-scanner.ts';

const QUOTE = 34;

/** Makes a record of the offsets that the scanner found; it has as many fields as columns. */
export interface RecordMaker<T> {
  object(data: Buffer, fields: Int32Array, start: number, end: number): T;
}

/** Turns the offsets that the scanner found into strings and objects. */
export class CsvRecords implements RecordMaker<Record<string, string>> {
  readonly #columns: readonly string[];
  readonly #hasProto: boolean;
  /** Whether the last records were ASCII: then one string is made and cut, instead of one a field. */
  #ascii = true;

  constructor(columns: readonly string[]) {
    this.#columns = columns;
    this.#hasProto = columns.includes('__proto__');
  }

  /** The record as an object by column; it has as many fields as there are columns. */
  object(data: Buffer, fields: Int32Array, start: number, end: number): Record<string, string> {
    const columns = this.#columns;
    const record: Record<string, string> = {};
    const text = this.#whole(data, start, end);
    for (let i = 0, at = 0; i < columns.length; i++, at += 3) {
      const from = fields[at]!;
      const to = fields[at + 1]!;
      const raw = text === null ? fieldText(data, from, to) : text.slice(from - start, to - start);
      const kind = fields[at + 2]!;
      const value = kind === PLAIN ? raw : unquoted(raw, kind);
      if (this.#hasProto) define(record, columns[i]!, value);
      else record[columns[i]!] = value;
    }
    return record;
  }

  /** The record's text when every character of it is one byte, so that byte offsets cut it. */
  #whole(data: Buffer, start: number, end: number): string | null {
    if (!this.#ascii) {
      this.#ascii = isAscii(data, start, end);
      if (!this.#ascii) return null;
    }
    const text = data.toString('utf8', start, end);
    if (text.length === end - start) return text;
    this.#ascii = false;
    return null;
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
  if (kind === DOUBLED) return text.replaceAll('""', '"');
  return kind === MIXED ? mixedText(text) : text;
}

/** `"a ""b"" c"d"e` is `a "b" cd"e`: quotes behind the closing one are data. */
function mixedText(text: string): string {
  let close = 1;
  while (text.charCodeAt(close) !== QUOTE || text.charCodeAt(close + 1) === QUOTE) {
    close += text.charCodeAt(close) === QUOTE ? 2 : 1;
  }
  return text.slice(1, close).replaceAll('""', '"') + text.slice(close + 1);
}

/** A column of this name is data; assigning would set the prototype. */
function define(record: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(record, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** Looks at the first bytes only: a cheap guess whether to try the one-string way again. */
function isAscii(data: Buffer, start: number, end: number): boolean {
  const stop = Math.min(end, start + 256);
  for (let i = start; i < stop; i++) if (data[i]! > 127) return false;
  return true;
}
