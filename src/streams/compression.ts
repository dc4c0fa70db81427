import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { errorCode, MillraceError } from '../core/errors.ts';
import { defineStage, type Stage } from './stage.ts';
import { ZstdFrames } from './zstd-frames.ts';

export type Compression = 'gzip' | 'zstd';

const CHUNK_BYTES = 256 * 1024; // 256 KiB

/** By the end of a name: `.gz` is gzip, `.zst` is zstd, anything else null. */
export function compressionOfName(name: string): Compression | null {
  if (/\.gz$/i.test(name)) return 'gzip';
  return /\.zst$/i.test(name) ? 'zstd' : null;
}

/** By the first bytes of the data. */
export function compressionOfBytes(head: Uint8Array): Compression | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  const zstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  return zstd ? 'zstd' : null;
}

/** The name without `.gz` or `.zst`. */
export function withoutCompression(name: string): string {
  return name.replace(/\.(gz|zst)$/i, '');
}

/** A stage that unpacks. Damaged or truncated data is a MillraceError `bad_compression`. */
export function decompress(kind: Compression, label = '<stream>'): Stage<Uint8Array, Uint8Array> {
  const options = { chunkSize: CHUNK_BYTES };
  const unpack = zlibStage(
    () => (kind === 'gzip' ? createGunzip(options) : createZstdDecompress(options)),
    (error) => {
      const code = errorCode(error);
      if (code === undefined || !/^(Z|ZSTD)_/.test(code)) return error;
      return damaged(kind, label, code, error);
    },
  );
  return kind === 'gzip' ? unpack : (source, stage) => unpack(byFrames(source, label), stage);
}

async function* byFrames(
  source: AsyncIterable<Uint8Array>,
  label: string,
): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of source) yield* frames.cut(chunk);
  // Node 22 takes the end of the data for the end of the frame.
  if (!frames.whole) throw damaged('zstd', label, 'the last frame does not end');
}

function damaged(kind: Compression, label: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'bad_compression',
    `${label}: the ${kind} data is damaged or cut off (${what}); get the file again`,
    { cause },
  );
}

/** A stage that packs, at the library's usual level. */
export function compress(kind: Compression): Stage<Uint8Array, Uint8Array> {
  const options = { chunkSize: CHUNK_BYTES };
  return zlibStage(
    () => (kind === 'gzip' ? createGzip(options) : createZstdCompress(options)),
    (error) => error,
  );
}

function zlibStage(
  make: () => Transform,
  translate: (error: unknown) => unknown,
): Stage<Uint8Array, Uint8Array> {
  return defineStage(async function* (source, signal) {
    const transform = make();
    const options = signal === undefined ? {} : { signal };
    const input = Readable.from(source, { objectMode: true, highWaterMark: 1 });
    const done = pipeline(input, transform, options);
    // The failure of the pipeline destroys the transform, so the loop below meets it too.
    done.catch(() => undefined);
    try {
      for await (const chunk of transform) yield chunk as Uint8Array;
      await done;
    } catch (error) {
      throw translate(error);
    } finally {
      transform.destroy();
    }
  });
}
