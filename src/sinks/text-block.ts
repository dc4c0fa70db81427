import type { ByteTarget } from './target.ts';

const BLOCK_BYTES = 256 * 1024; // 256 KiB

/** Gathers rows into blocks, so that the target it owns sees one write for many rows. */
export class TextBlock {
  readonly #target: ByteTarget;
  #buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;

  constructor(target: ByteTarget) {
    this.#target = target;
  }

  /** Returns a promise when a block has to go: await it before the next call. */
  text(text: string): void | Promise<void> {
    if (text.length * 3 > this.#buffer.length - this.#used) {
      return this.#over(Buffer.from(text, 'utf8'));
    }
    this.#used += this.#buffer.write(text, this.#used, 'utf8');
  }

  /** As `text`, for bytes, with a newline after them. */
  line(bytes: Uint8Array): void | Promise<void> {
    if (bytes.length + 1 > this.#buffer.length - this.#used) {
      return this.#over(Buffer.concat([bytes, NEWLINE]));
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#buffer[this.#used++] = 0x0a;
  }

  /** As `text`, for bytes as they are. */
  bytes(bytes: Uint8Array): void | Promise<void> {
    // What fills most of a block goes on without a copy here.
    if (bytes.length > this.#buffer.length / 2) return this.#through(bytes);
    if (bytes.length > this.#buffer.length - this.#used) return this.#over(bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Writes the rest and makes the output whole; an output that cannot be is aborted. */
  async close(): Promise<void> {
    try {
      await this.#flush();
      await this.#target.close();
    } catch (error) {
      await this.#target.abort();
      throw error;
    }
  }

  abort(): Promise<void> {
    return this.#target.abort();
  }

  async #flush(): Promise<void> {
    if (this.#used === 0) return;
    const full = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    await this.#target.write(full);
  }

  async #through(bytes: Uint8Array): Promise<void> {
    await this.#flush();
    await this.#target.write(bytes);
  }

  async #over(bytes: Uint8Array): Promise<void> {
    await this.#flush();
    if (bytes.length > this.#buffer.length) return this.#target.write(bytes);
    this.#buffer.set(bytes);
    this.#used = bytes.length;
  }
}

const NEWLINE = Buffer.from('\n');
