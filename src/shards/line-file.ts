import { createHash, type Hash } from 'node:crypto';
import { type Area, rawMemory } from '../sources/raw/memory.ts';
import { AtomicFile } from '../streams/atomic-file.ts';
import { UNIT_BYTES } from '../streams/direct.ts';
import { NEWLINE } from './format.ts';

/** Small enough to stay in the cache between the copy, the hash and the write. */
const BLOCK_BYTES = 512 * 1024; // 512 KiB
/** Behind a line, for a kernel that writes 16 bytes at a time. */
const SLACK_BYTES = 64;
/** What a line can have that is to be written in one piece, whatever is left in the block before. */
export const MOST_LINE_BYTES = BLOCK_BYTES - UNIT_BYTES - SLACK_BYTES;

/**
 * Lines into a file that appears whole or not at all, hashed on the way where somebody will look at
 * the hash. Lines are gathered in a block while the one before goes to the disk, from where it lies.
 * Without a path nothing is written, and only the bytes and the hash are found.
 */
export class LineFile {
  /** Bytes of all lines so far, newlines included. */
  bytes = 0;

  readonly #file: AtomicFile | null;
  readonly #hash: Hash | null;
  /** Both blocks, in the memory of raw records; null when that is full. */
  #area: Area | null;
  #block: Buffer;
  #other: Buffer;
  #used = 0;
  /** Until the other block may be used again. */
  #inFlight: Promise<void> = Promise.resolve();

  private constructor(file: AtomicFile | null, hashed: boolean) {
    this.#file = file;
    this.#hash = hashed ? createHash('sha256') : null;
    const memory = rawMemory();
    this.#area = memory.take(2 * BLOCK_BYTES);
    const blocks =
      this.#area === null
        ? Buffer.allocUnsafeSlow(2 * BLOCK_BYTES)
        : memory.bytes.subarray(this.#area.start, this.#area.end);
    this.#block = blocks.subarray(0, BLOCK_BYTES);
    this.#other = blocks.subarray(BLOCK_BYTES);
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
    if (length >= BLOCK_BYTES - this.#used) return this.#addOver(Buffer.from(line));
    this.#used += this.#block.write(line, this.#used, 'utf8');
    this.#endLine(length);
  }

  /** As `add`, of a line that is bytes already, without its newline. */
  addBytes(line: Uint8Array): void | Promise<void> {
    if (line.length >= BLOCK_BYTES - this.#used) return this.#addOver(line);
    this.#block.set(line, this.#used);
    this.#used += line.length;
    this.#endLine(line.length);
  }

  /**
   * Where a line of this length, its newline included, can be written by the kernel of raw records:
   * an address, and `wrote` follows. 0 when there is no room: `flush` first, unless `placed` is false.
   */
  roomFor(length: number): number {
    if (length > BLOCK_BYTES - SLACK_BYTES - this.#used || this.#area === null) return 0;
    return this.#block.byteOffset + this.#used;
  }

  /** Whether the kernel can write into this file at all. */
  get placed(): boolean {
    return this.#area !== null;
  }

  /** The line of `roomFor` stands there. */
  wrote(length: number): void {
    this.#used += length;
    this.bytes += length;
  }

  /** Gives the block to the disk and goes on in the other one. */
  async flush(): Promise<void> {
    // What does not fill a unit of the disk goes with the next block.
    const rest = this.#file === null ? 0 : this.#used % UNIT_BYTES;
    const whole = this.#block.subarray(0, this.#used - rest);
    this.#hash?.update(whole);
    await this.#inFlight;
    this.#other.set(this.#block.subarray(whole.length, this.#used));
    if (this.#file !== null) {
      this.#inFlight = this.#file.writeThrough(whole);
      // It is waited for with the next block.
      this.#inFlight.catch(() => undefined);
    }
    [this.#block, this.#other] = [this.#other, this.#block];
    this.#used = rest;
  }

  /** Makes the file whole and visible; gives the hex SHA-256 of its bytes, or '' where it is not hashed. */
  async commit(): Promise<string> {
    const rest = this.#block.subarray(0, this.#used);
    this.#hash?.update(rest);
    await this.#inFlight;
    await this.#file?.writeThrough(rest);
    await this.#file?.commit();
    this.#giveBlocks();
    return this.#hash?.digest('hex') ?? '';
  }

  async discard(): Promise<void> {
    await Promise.allSettled([this.#inFlight]);
    await this.#file?.discard();
    this.#giveBlocks();
  }

  async #addOver(line: Uint8Array): Promise<void> {
    for (let taken = 0; taken < line.length; ) {
      if (this.#used === BLOCK_BYTES) await this.flush();
      const part = line.subarray(taken, taken + BLOCK_BYTES - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.length;
      taken += part.length;
    }
    if (this.#used === BLOCK_BYTES) await this.flush();
    this.#endLine(line.length);
  }

  #endLine(length: number): void {
    this.#block[this.#used++] = NEWLINE;
    this.bytes += length + 1;
  }

  #giveBlocks(): void {
    if (this.#area !== null) rawMemory().give(this.#area);
    this.#area = null;
  }
}
