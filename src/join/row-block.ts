import { giveBuffer, takeBuffer, takeRoughly } from '../streams/spare-buffers.ts';

const BLOCK_BYTES = 256 * 1024; // 256 KiB
const KEEP_BYTES = 4 * 1024 * 1024; // 4 MiB

/** Lines in the making: bytes put together from many places, handed on as one block. */
export class RowBlock {
  /** Allocated with the first byte: most files of a join stay empty. */
  buffer: Buffer = Buffer.alloc(0);
  length = 0;

  constructor(bytes = 0) {
    if (bytes > 0) this.buffer = takeBuffer(bytes);
  }

  /** Gives its memory back: what was taken is not valid any more. */
  end(): void {
    giveBuffer(this.buffer);
    this.buffer = Buffer.alloc(0);
  }

  /** Whether there is enough for one write. */
  get full(): boolean {
    return this.length >= BLOCK_BYTES / 2;
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = takeRoughly(Math.max(needed, BLOCK_BYTES));
    this.buffer.copy(larger, 0, 0, this.length);
    giveBuffer(this.buffer);
    this.buffer = larger;
  }

  bytes(from: Buffer, start = 0, end = from.length): void {
    this.reserve(end - start);
    from.copy(this.buffer, this.length, start, end);
    this.length += end - start;
  }

  text(text: string): void {
    this.reserve(text.length * 3);
    this.length += this.buffer.write(text, this.length, 'utf8');
  }

  /** What was put together; valid until the next call that adds something. */
  take(): Buffer {
    const block = this.buffer.subarray(0, this.length);
    this.length = 0;
    // One huge row must not hold its room for the rest of the join.
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.alloc(0);
    return block;
  }
}
