import type { EncodingName } from './models.ts';

/** Counts the tokens of texts in one encoding. */
export interface TextEncoding {
  /** Special-token look-alikes are plain text. */
  countText(text: string): number;
  /** The same for text that is UTF-8 already: `bytes[start, end)`, the whole by default. */
  countUtf8(bytes: Uint8Array, start?: number, end?: number): number;
}

const loaded = new Map<string, Promise<TextEncoding>>();

/** The counter of an encoding, loaded when it is first asked for and kept for the process. */
export function loadEncoding(name: EncodingName): Promise<TextEncoding> {
  const base = baseEncoding(name);
  let encoding = loaded.get(base);
  if (encoding === undefined) {
    encoding = load(base);
    loaded.set(base, encoding);
  }
  return encoding;
}

/** The vocabulary of an encoding: harmony is o200k's with other special tokens, which are plain text here. */
export function baseEncoding(name: EncodingName): 'o200k_base' | 'cl100k_base' {
  return name === 'cl100k_base' ? name : 'o200k_base';
}

async function load(base: 'o200k_base' | 'cl100k_base'): Promise<TextEncoding> {
  // The vocabularies and their tables are only worth loading when something is counted.
  const { exactEncoding } = await import('./exact.ts');
  return exactEncoding(base);
}
