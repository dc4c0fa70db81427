import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import { kernelMemory } from './kernel.ts';

/** What every disk takes as the unit of a write past the system's cache. */
export const UNIT_BYTES = 4096;
export const DIRECT_BLOCK_BYTES = 1024 * 1024; // 1 MiB
const BLOCKS_AT_ONCE = 4;

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
    this.#handle ??= this.#handle === undefined ? await openDirect(this.#path) : null;
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

/** Null where the system or the file system does not have it; other troubles show on the usual way. */
async function openDirect(path: string): Promise<FileHandle | null> {
  const { O_DIRECT, O_NOFOLLOW, O_WRONLY } = constants;
  if (O_DIRECT === undefined) return null;
  return open(path, O_WRONLY | O_DIRECT | (O_NOFOLLOW ?? 0)).catch(() => null);
}
