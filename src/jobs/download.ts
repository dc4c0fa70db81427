import { type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import type { BatchService } from '../core/service.ts';
import { AtomicFile } from '../streams/files.ts';

/** How often a download that was cut goes on without a byte more, before the step is given back. */
const MOST_IDLE_CUTS = 5;

const NEWLINE = 10;

/** A last line without a newline that is longer than this is not looked at. */
const MOST_TAIL_BYTES = 64 * 1024 * 1024; // 64 MiB

/** A file of answers on disk. */
export interface Fetched {
  readonly path: string;
  readonly bytes: number;
  /** Lines that are not blank; a last one without its newline counts. */
  readonly lines: number;
  /** Whether it ends with a newline, or with a line that is JSON all the same. */
  readonly endsWell: boolean;
}

/**
 * Fetches a file of the service. A body that is cut goes on where it ended, if the service honours
 * ranges, and begins anew otherwise. Throws what the service says, among it a 404.
 */
export async function fetchFile(
  service: BatchService,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<Fetched> {
  let file = await AtomicFile.create(path);
  let lines = new LineCount();
  try {
    for (let idleCuts = 0; ; ) {
      const before = file.bytes;
      try {
        const { body, offset } = await service.downloadFile(id, file.bytes, signal);
        if (offset !== file.bytes) {
          await file.discard();
          file = await AtomicFile.create(path);
          lines = new LineCount();
        }
        for await (const block of body) {
          lines.add(block);
          await file.write(block);
        }
        break;
      } catch (error) {
        idleCuts = file.bytes > before ? 0 : idleCuts + 1;
        if (errorCode(error) !== 'download_cut' || idleCuts > MOST_IDLE_CUTS) throw error;
      }
    }
    await file.commit();
  } catch (error) {
    await file.discard();
    throw error;
  }
  const tail = file.bytes - lines.end;
  return {
    path,
    bytes: file.bytes,
    lines: lines.full + (tail > 0 ? 1 : 0),
    endsWell: tail === 0 || (await isJson(path, lines.end, tail)),
  };
}

/** Counts the lines of blocks that come one after the other. */
class LineCount {
  /** Lines with a newline that hold anything. */
  full = 0;
  /** Offset behind the last newline. */
  end = 0;
  #bytes = 0;

  add(block: Uint8Array): void {
    let start = 0;
    for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, start)) {
      if (this.#bytes + at > this.end) this.full += 1;
      this.end = this.#bytes + at + 1;
      start = at + 1;
    }
    this.#bytes += block.length;
  }
}

async function isJson(path: string, start: number, length: number): Promise<boolean> {
  if (length > MOST_TAIL_BYTES) return false;
  const handle: FileHandle = await open(path);
  try {
    const { buffer } = await handle.read({ buffer: Buffer.alloc(length), position: start });
    return parses(buffer.toString('utf8'));
  } finally {
    await handle.close();
  }
}

function parses(text: string): boolean {
  if (text.trim() === '') return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
