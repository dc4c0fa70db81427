import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import { kernelMemory } from './kernel.ts';

/** What every disk takes as the unit of a write past the system's cache. */
export const UNIT_BYTES = 4096;
export const DIRECT_BLOCK_BYTES = 1024 * 1024; // 1 MiB
const BLOCKS_AT_ONCE = 4;
const { O_RDONLY, O_WRONLY } = constants;

/** The memory of kernels begins at a page, which Buffers do not. */
const spares: Buffer[] = [];

/** A block of DIRECT_BLOCK_BYTES that can be written past the system's cache, with whatever in it. */
export function takeDirectBlock(): Buffer {
  const spare = spares.pop();
  if (spare !== undefined) return spare;
  const { buffer } = kernelMemory(BLOCKS_AT_ONCE * DIRECT_BLOCK_BYTES);
  for (let i = 0; i < BLOCKS_AT_ONCE; i++) {
    spares.push(Buffer.from(buffer, i * DIRECT_BLOCK_BYTES, DIRECT_BLOCK_BYTES));
  }
  return spares.pop()!;
}

export function giveDirectBlock(block: Buffer): void {
  spares.push(block);
}

/**
 * Writes whole blocks of an open file past the system's cache, which saves a copy of each and pages
 * that nobody will read soon, and leaves the sync at the end nothing to wait for. Not every file
 * system can: then it says no, and the caller writes as usual.
 */
export class DirectWriter {
  readonly #path: string;
  #handle: FileHandle | null | undefined;

  /** `path` is a file of this process's own, so that no link can stand in its place. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Writes all of the block at `position`; false when nothing was written. */
  async write(block: Uint8Array, position: number): Promise<boolean> {
    if (block.length % UNIT_BYTES !== 0 || position % UNIT_BYTES !== 0) return false;
    this.#handle ??= this.#handle === undefined ? await openDirect(this.#path, O_WRONLY) : null;
    if (this.#handle === null) return false;
    let done = 0;
    try {
      while (done < block.length) {
        const { bytesWritten } = await this.#handle.write(
          block,
          done,
          block.length - done,
          position + done,
        );
        done += bytesWritten;
      }
      return true;
    } catch (error) {
      if (errorCode(error) !== 'EINVAL') throw error;
      await this.close();
      return false;
    }
  }

  /** From then on it always says no. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }
}

/** Blocks of a reading: two that its consumer may still look at, the present one and the next. */
const BLOCKS_OF_READING = 4;

/**
 * A file from its start in blocks of DIRECT_BLOCK_BYTES, read past the system's cache where that can
 * be: a file that was written so is not there, and to put it there costs more than to read it. One is
 * read ahead. A block stays as it is until the third one after it is asked for; `room` is filled with
 * the memory that they lie in, for the caller to give back once the reading has ended and nobody looks
 * at it any more.
 */
export async function* readDirect(
  path: string,
  room: Buffer[],
): AsyncGenerator<Buffer, void, undefined> {
  let handle = (await openDirect(path, O_RDONLY)) ?? (await open(path, 'r'));
  const fill = async (block: Buffer, position: number): Promise<Buffer> => {
    for (let filled = 0; filled < block.length; ) {
      const read = () => handle.read(block, filled, block.length - filled, position + filled);
      const { bytesRead } = await read().catch(async (error: unknown) => {
        if (errorCode(error) !== 'EINVAL') throw error;
        // What can be opened so may still refuse to be read so, or after a read that fell short.
        await handle.close();
        handle = await open(path, 'r');
        return read();
      });
      if (bytesRead === 0) return block.subarray(0, filled);
      filled += bytesRead;
      if (position + filled >= size) return block.subarray(0, filled);
    }
    return block;
  };
  let size = 0;
  let ahead: Promise<Buffer> | undefined;
  try {
    ({ size } = await handle.stat());
    for (let position = 0; position < size; ) {
      const block: Buffer = await (ahead ?? fill(blockAt(room, 0), 0));
      position += DIRECT_BLOCK_BYTES;
      if (position < size) {
        ahead = fill(blockAt(room, position), position);
        // It is met at the await above; a consumer that stops before it must not end the process.
        ahead.catch(() => undefined);
      }
      yield block;
    }
  } finally {
    await ahead?.catch(() => undefined);
    await handle.close();
  }
}

function blockAt(room: Buffer[], position: number): Buffer {
  const n = (position / DIRECT_BLOCK_BYTES) % BLOCKS_OF_READING;
  room[n] ??= takeDirectBlock();
  return room[n];
}

/**
 * Opens a file past the system's cache. Null where the system or the file system does not have it; other
 * troubles show on the usual way.
 */
export async function openDirect(path: string, access: number): Promise<FileHandle | null> {
  const { O_DIRECT, O_NOFOLLOW } = constants;
  if (O_DIRECT === undefined) return null;
  return open(path, access | O_DIRECT | (O_NOFOLLOW ?? 0)).catch(() => null);
}
