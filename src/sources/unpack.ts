import { decompress } from '../streams/compression.ts';
import type { SourceDescription } from './description.ts';
import { transcode } from './encoding.ts';

/** The source's text as UTF-8, whatever it was packed and written in. */
export function unpackedBytes(
  known: Pick<SourceDescription, 'compression' | 'encoding' | 'label'>,
  raw: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const options = signal === undefined ? {} : { signal };
  const plain =
    known.compression === null ? raw : decompress(known.compression, known.label)(raw, options);
  return known.encoding === 'utf-8'
    ? plain
    : transcode(known.encoding, known.label)(plain, options);
}
