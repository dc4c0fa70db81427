import { createHash, type Hash } from 'node:crypto';
import { copyBytes } from '../sources/raw/json-text.ts';
import { AtomicFile } from '../streams/files.ts';
import { NEWLINE } from './format.ts';

export const BLOCK_BYTES = 256 * 1024; // 256 KiB: stays in the cache between the copy, the hash and the write

/**
 * Lines into a file that appears whole or not at all, hashed on the way where somebody will look at
 * the hash. Lines are gathered in a block, so that the hash and the disk see large pieces. Without a
 * path nothing is written, and only the bytes and the hash are found.
 */
export class LineFile {
  /** Bytes of all lines so far, newlines included. */
  bytes = 0;

  readonly #file: AtomicFile | null;
  readonly #hash: Hash | null;
  readonly #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;

  private constructor(file: AtomicFile | null, hashed: boolean) {
    this.#file = file;
    this.#hash = hashed ? createHash('sha256') : null;
  }

  static async create(path: string | null, hashed: boolean): Promise<LineFile> {
    const file = path === null ? null : await AtomicFile.create(path, { direct: true });
    return new LineFile(file, hashed);
  }

  /**
   * Adds a line and its newline. `length` is the line's length in UTF-8. Returns a promise when a
   * block has to go to disk: await it before the next call.
   */
  add(line: string, length: number): void | Promise<void> {
    const whole = length + 1;
    if (whole > BLOCK_BYTES - this.#used) return this.#addOver(Buffer.from(`${line}\n`));
    this.#used += this.#block.write(line, this.#used, 'utf8');
    this.#block[this.#used++] = NEWLINE;
    this.bytes += whole;
  }

  /** As `add`, of a line that is bytes already, without its newline. */
  addBytes(line: Uint8Array): void | Promise<void> {
    const whole = line.length + 1;
    if (whole > BLOCK_BYTES - this.#used) return this.#addOver(Buffer.concat([line, LINE_END]));
    this.#block.set(line, this.#used);
    this.#used += line.length;
    this.#block[this.#used++] = NEWLINE;
    this.bytes += whole;
  }

  /** Whether a line of this length fits into the block; if not, and it can at all, `flush` first. */
  hasRoom(length: number): boolean {
    return length + 1 <= BLOCK_BYTES - this.#used;
  }

  /** Puts a piece of a line that `hasRoom` spoke of; `endLine` ends it. */
  put(bytes: Buffer, start = 0, end = bytes.length): void {
    this.#used = copyBytes(bytes, start, end, this.#block, this.#used);
  }

  /** As `put`, of short text in ASCII. */
  putAscii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#block[this.#used++] = text.charCodeAt(i);
  }

  putText(text: string): void {
    this.#used += this.#block.write(text, this.#used, 'utf8');
  }

  /** Ends a line of `length` bytes that was put. */
  endLine(length: number): void {
    this.#block[this.#used++] = NEWLINE;
    this.bytes += length + 1;
  }

  /** Gives the block to the disk. */
  async flush(): Promise<void> {
    await this.#flush();
  }

  /** Makes the file whole and visible; gives the hex SHA-256 of its bytes, or '' where it is not hashed. */
  async commit(): Promise<string> {
    await this.#flush();
    await this.#file?.commit();
    return this.#hash?.digest('hex') ?? '';
  }

  async discard(): Promise<void> {
    await this.#file?.discard();
  }

  async #addOver(line: Buffer): Promise<void> {
    await this.#flush();
    this.bytes += line.length;
    if (line.length > BLOCK_BYTES) {
      this.#hash?.update(line);
      await this.#file?.write(line);
    } else {
      this.#block.set(line, 0);
      this.#used = line.length;
    }
  }

  async #flush(): Promise<void> {
    const full = this.#block.subarray(0, this.#used);
    this.#used = 0;
    this.#hash?.update(full);
    await this.#file?.write(full);
  }
}

const LINE_END = Uint8Array.of(NEWLINE);
