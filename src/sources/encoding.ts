import { UsageError } from '../core/errors.ts';
import { asBuffer } from '../streams/carry.ts';
import { defineStage, type Stage } from '../streams/stage.ts';
import { invalidEncoding } from './utf8.ts';

/** The 32 characters in which windows-1252 differs from ISO 8859-1, from byte 0x80 on. */
const WINDOWS_1252 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

/**
 * The WHATWG name of an encoding (`latin1` is `windows-1252`). Throws a UsageError when this
 * runtime does not know the label.
 */
export function encodingName(label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch (cause) {
    throw new UsageError(
      `the encoding ${JSON.stringify(label)} is not known; name one such as utf-8, utf-16le, windows-1252, shift_jis or gb18030`,
      { cause },
    );
  }
}

/** The encoding that a byte order mark names, or null. */
export function encodingOfBytes(head: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' | null {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return 'utf-8';
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : null;
}

/**
 * A stage from the bytes of an encoding to UTF-8, without a byte order mark. Bytes that the encoding
 * does not have are a MillraceError `invalid_encoding`, with the offset of their chunk.
 */
export function transcode(encoding: string, label = '<stream>'): Stage<Uint8Array, Uint8Array> {
  return defineStage(async function* (source) {
    const decode = decoder(encoding);
    let offset = 0;
    const checked = (chunk: Uint8Array | undefined): string => {
      try {
        return decode(chunk);
      } catch {
        throw invalidEncoding(label, encoding, offset);
      }
    };
    for await (const chunk of source) {
      const text = checked(chunk);
      offset += chunk.length;
      if (text !== '') yield Buffer.from(text, 'utf8');
    }
    const rest = checked(undefined);
    if (rest !== '') yield Buffer.from(rest, 'utf8');
  });
}

/** A function from chunks to text; undefined is the end. */
function decoder(encoding: string): (chunk: Uint8Array | undefined) => string {
  if (encoding === 'windows-1252') {
    // Some versions of Node decode 0x80 to 0x9f of this one as ISO 8859-1.
    return (chunk) => {
      if (chunk === undefined) return '';
      const text = asBuffer(chunk).toString('latin1');
      return text.replace(/[\x80-\x9f]/g, (c) => WINDOWS_1252[c.charCodeAt(0) - 0x80]!);
    };
  }
  const text = new TextDecoder(encoding, { fatal: true });
  return (chunk) => (chunk === undefined ? text.decode() : text.decode(chunk, { stream: true }));
}
