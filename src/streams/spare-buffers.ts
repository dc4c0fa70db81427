const MOST_SPARES = 16;
const MOST_BYTES = 4 * 1024 * 1024; // 4 MiB
const LEAST_BYTES = 128 * 1024; // 128 KiB

const spares: Buffer[] = [];

/**
 * A buffer of exactly that size, with whatever bytes in it: one that was given back, or a new one.
 * Large blocks that each file allocates anew would lie there until the garbage is collected, and the
 * more files there are the more of them.
 */
export function takeBuffer(bytes: number): Buffer {
  const found = spares.findIndex(({ length }) => length === bytes);
  return found === -1 ? Buffer.allocUnsafeSlow(bytes) : spares.splice(found, 1)[0]!;
}

/** A buffer of at least that size: a power of two, so that the next one of about that size fits too. */
export function takeRoughly(bytes: number): Buffer {
  return takeBuffer(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes)))));
}

/** Gives a buffer back that nobody looks at any more; a few of the last ones are kept. */
export function giveBuffer(buffer: Buffer): void {
  if (buffer.length < LEAST_BYTES || buffer.length > MOST_BYTES) return;
  spares.push(buffer);
  if (spares.length > MOST_SPARES) spares.shift();
}
