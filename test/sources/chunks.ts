import type { SourceItem } from '../../src/core/record.ts';
import type { RecordParser } from '../../src/sources/parser.ts';

export const CHUNK_SIZES = [1, 2, 3, 5, 7, 64 * 1024];

/** Everything that the parser gives for the bytes, fed in pieces that are wiped once they are taken. */
export function parseInChunks<T>(
  parser: RecordParser<T>,
  input: Uint8Array | string,
  size: number,
): SourceItem<T>[] {
  const bytes = Buffer.from(input as string);
  const items: SourceItem<T>[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    items.push(...parser.push(chunk));
    chunk.fill(0x2a);
  }
  items.push(...parser.flush());
  return items;
}
