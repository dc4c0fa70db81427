const MOST_BYTES = 32 * 1024 * 1024; // 32 MiB

let spare: Buffer | null = null;
let lent = 0;

/**
 * Memory for a file that is read again and again, or null when the file is too large or somebody
 * has it: there is one such piece in the process, so that memory stays what it is whatever the
 * number of readers. Give it back.
 */
export function takeRoom(bytes: number): Buffer | null {
  if (bytes > MOST_BYTES || lent > 0) return null;
  lent++;
  if (spare === null || spare.length < bytes) spare = Buffer.allocUnsafeSlow(bytes);
  return spare;
}

export function giveRoom(room: Buffer | null): void {
  if (room !== null) lent--;
}
