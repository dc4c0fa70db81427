import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { errorCode, MillraceError } from '../core/errors.ts';
import type { BatchService } from '../core/service.ts';
import { AtomicFile } from '../streams/atomic-file.ts';

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
 * ranges, and begins anew otherwise; what was read before must then come again. Throws what the
 * service says, among it a 404, and `download_changed`.
 */
export async function fetchFile(
  service: BatchService,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<Fetched> {
  let file = await AtomicFile.create(path);
  let lines = new LineCount();
  let check = new PrefixCheck(id);
  try {
    for (let idleCuts = 0; ; ) {
      const before = file.bytes;
      try {
        const { body, offset } = await service.downloadFile(id, file.bytes, signal);
        if (offset !== file.bytes) {
          await file.discard();
          file = await AtomicFile.create(path);
          lines = new LineCount();
          check = check.again();
        }
        for await (const block of body) {
          check.add(block);
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

/** The bytes that a reading came to, and their sum. */
interface Prefix {
  readonly bytes: number;
  readonly sum: number;
}

/** Sees to it that a file that is read again from its start begins as it did. */
class PrefixCheck {
  readonly #id: string;
  /** The longest reading before this one. */
  readonly #earlier: Prefix;
  #bytes = 0;
  #sum = 0;

  constructor(id: string, earlier: Prefix = { bytes: 0, sum: 0 }) {
    this.#id = id;
    this.#earlier = earlier;
  }

  /** For the same file, from its start. */
  again(): PrefixCheck {
    const present = { bytes: this.#bytes, sum: this.#sum };
    const longest = this.#earlier.bytes > present.bytes ? this.#earlier : present;
    return new PrefixCheck(this.#id, longest);
  }

  add(block: Uint8Array): void {
    const { bytes, sum } = this.#earlier;
    const left = bytes - this.#bytes;
    if (left > 0 && left <= block.length && crc32(block.subarray(0, left), this.#sum) !== sum) {
      throw changed(this.#id, bytes);
    }
    this.#sum = crc32(block, this.#sum);
    this.#bytes += block.length;
  }
}

function changed(id: string, bytes: number): MillraceError {
  return new MillraceError(
    'download_changed',
    `the first ${bytes} bytes of ${id} are not what they were when it was read before: it is fetched anew`,
    { retryable: true },
  );
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
