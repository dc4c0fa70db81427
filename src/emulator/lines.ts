import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 128 * 1024; // 128 KiB: some ms of work between two turns of the event loop

/**
 * Calls `each` with every line of a file, newline left out, and with the bytes that the line takes
 * in the file. The buffer is lent until the call returns. Memory is a block and the longest line.
 */
export async function eachLine(
  file: FileHandle,
  each: (line: Buffer, bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let held: Buffer[] = [];
  let heldBytes = 0;
  let at = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const data = block.subarray(0, bytesRead);
    let start = 0;
    for (;;) {
      const end = data.indexOf(0x0a, start);
      if (end < 0) break;
      const piece = data.subarray(start, end);
      const line = heldBytes === 0 ? piece : Buffer.concat([...held, piece]);
      held = [];
      heldBytes = 0;
      each(line, line.length + 1);
      start = end + 1;
    }
    if (start < bytesRead) {
      const rest = Buffer.from(data.subarray(start));
      held.push(rest);
      heldBytes += rest.length;
    }
  }
  if (heldBytes > 0) {
    const line = Buffer.concat(held);
    each(line, line.length);
  }
}

/** Whether a line holds nothing but JSON's white space. */
export function isBlank(line: Buffer): boolean {
  for (const byte of line) {
    if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  }
  return true;
}
