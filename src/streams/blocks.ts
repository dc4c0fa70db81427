import { open } from 'node:fs/promises';
import { giveBuffer, takeBuffer } from './spare-buffers.ts';

/** Large enough that waiting for a read costs little beside what is done with it. */
export const BLOCK_BYTES = 1024 * 1024; // 1 MiB

export interface BlockOptions {
  /** Offset of the first byte. Default 0. */
  readonly start?: number;
  /** Offset behind the last byte, or null for the end of the file. Default null. */
  readonly end?: number | null;
  /** Bytes a block; default 1 MiB. */
  readonly blockBytes?: number;
  /** Where the blocks lie, in the place of new ones; half of it is a block. */
  readonly room?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A byte range of a file in large blocks; the next one is read while the consumer works. A block is
 * valid only until the next one is asked for: its memory is used again.
 */
export async function* readBlocks(
  path: string,
  options: BlockOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const { start = 0, end = null, signal } = options;
  signal?.throwIfAborted();
  const handle = await open(path, 'r');
  const room = options.room ?? takeBuffer(2 * (options.blockBytes ?? BLOCK_BYTES));
  let position = start;
  const read = async (block: Buffer): Promise<Buffer> => {
    const wanted = end === null ? block.length : Math.min(block.length, end - position);
    if (wanted <= 0) return block.subarray(0, 0);
    const { bytesRead } = await handle.read(block, 0, wanted, position);
    position += bytesRead;
    return block.subarray(0, bytesRead);
  };
  let current = room.subarray(0, room.length / 2);
  let spare = room.subarray(room.length / 2);
  let pending = read(current);
  try {
    for (;;) {
      const block = await pending;
      signal?.throwIfAborted();
      if (block.length === 0) return;
      pending = read(spare);
      // The rejection is met at the await above; without this it would count as unhandled when the
      // consumer stops before it.
      pending.catch(() => undefined);
      [current, spare] = [spare, current];
      yield block;
    }
  } finally {
    await pending.catch(() => undefined);
    if (options.room === undefined) giveBuffer(room);
    await handle.close();
  }
}
