import type { FileHandle } from 'node:fs/promises';
import { openPrivate } from '../streams/files.ts';
import { NEWLINE } from './format.ts';

export const READ_BLOCK_BYTES = 256 * 1024; // 256 KiB

/**
 * The lines of a file of ours, without their newlines, a block's worth at a time. The views stay
 * valid: no block is used again. A last line without a newline is given too.
 */
export async function* readLineBlocks(
  path: string,
  blockBytes: number = READ_BLOCK_BYTES,
): AsyncGenerator<Buffer[], void, undefined> {
  const handle = await openPrivate(path, 'r');
  try {
    let carry: Buffer[] = [];
    for (;;) {
      const block = await readBlock(handle, blockBytes);
      if (block.length === 0) break;
      const lines: Buffer[] = [];
      let start = 0;
      for (let end = block.indexOf(NEWLINE); end !== -1; end = block.indexOf(NEWLINE, start)) {
        const part = block.subarray(start, end);
        lines.push(carry.length === 0 ? part : Buffer.concat([...carry, part]));
        carry = [];
        start = end + 1;
      }
      if (start < block.length) carry.push(block.subarray(start));
      if (lines.length > 0) yield lines;
    }
    if (carry.length > 0) yield [Buffer.concat(carry)];
  } finally {
    await handle.close();
  }
}

async function readBlock(handle: FileHandle, bytes: number): Promise<Buffer> {
  const block = Buffer.allocUnsafeSlow(bytes);
  const { bytesRead } = await handle.read(block, 0, bytes, null);
  return block.subarray(0, bytesRead);
}
