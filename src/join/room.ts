const BYTES = 16 * 1024 * 1024; // 16 MiB
const SMALL_BYTES = 1024 * 1024; // 1 MiB

let spare: Buffer | null = null;
let lent = false;

/**
 * Memory for the answers of one shard. The same piece is given to one after the other, since what is
 * allocated for each would lie there until the garbage is collected; whoever comes while it is lent
 * gets a small one. What is not touched is not taken.
 */
export function takeRoom(): Buffer {
  if (lent) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  lent = true;
  spare ??= Buffer.allocUnsafeSlow(BYTES);
  return spare;
}

/** Gives back what `takeRoom` gave. */
export function giveRoom(room: Buffer): void {
  if (room === spare) lent = false;
}
