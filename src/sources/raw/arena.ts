const CHUNK_BYTES = 1024 * 1024; // 1 MiB
const CHUNK_SPANS = 3 * 4096;

/**
 * Room for what one batch of raw records writes: taken piece by piece, and all given back at once by
 * `reset`. A piece never moves, so what was written stays where it is until then.
 */
export class Arena {
  bytes: Buffer = Buffer.alloc(0);
  /** Of `bytes`; the writer moves it on. */
  used = 0;
  spans = new Int32Array(CHUNK_SPANS);
  usedSpans = 0;

  reset(): void {
    this.used = 0;
    this.usedSpans = 0;
  }

  /** Makes room for `size` bytes in one piece behind `used`. */
  reserve(size: number): void {
    if (size <= this.bytes.length - this.used) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, size));
    this.used = 0;
  }

  /** Room for the spans of one record, set to 0; gives where they begin. */
  takeSpans(count: number): number {
    if (this.usedSpans + count > this.spans.length) {
      this.spans = new Int32Array(Math.max(CHUNK_SPANS, count));
      this.usedSpans = 0;
    }
    const at = this.usedSpans;
    this.usedSpans += count;
    this.spans.fill(0, at, at + count);
    return at;
  }
}
