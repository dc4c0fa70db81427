/** Longer texts are counted each time. */
const MOST_BYTES = 64 * 1024; // 64 KiB

/** A text that may be the same in one record after the other, as instructions are, and its tokens. */
export class RepeatedText {
  /** Of the last text that was counted. */
  #length = -1;
  #tokens = 0;
  /** A copy of it, once two texts of one length have come. */
  #copy: Buffer | null = null;

  /** Tokens of `bytes[start, end)` where they are the last text again, else -1. */
  tokensOf(bytes: Buffer, start: number, end: number): number {
    const copy = this.#copy;
    if (copy === null || end - start !== this.#length) return -1;
    return bytes.compare(copy, 0, copy.length, start, end) === 0 ? this.#tokens : -1;
  }

  /** Told each text that was counted. */
  counted(bytes: Buffer, start: number, end: number, tokens: number): void {
    const again = end - start === this.#length && this.#length <= MOST_BYTES;
    this.#copy = again ? Buffer.from(bytes.subarray(start, end)) : null;
    this.#length = end - start;
    this.#tokens = tokens;
  }
}
