import { constants, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import { openDirect, UNIT_BYTES } from '../streams/direct.ts';
import { openPrivate } from '../streams/files.ts';
import { kernelMemory } from '../streams/kernel.ts';

const { O_RDONLY } = constants;
const WINDOW_BYTES = 8 * 1024; // 8 KiB
/** The first block, where one that follows it is longer, and so on. */
const FIRST_BYTES = 64 * 1024; // 64 KiB
const GROWTH = 4;
const MOST_BYTES = 512 * 1024; // 512 KiB
/** From so long a block on, the next one is read ahead. */
const AHEAD_BYTES = 256 * 1024; // 256 KiB
/** Room before each block for what is kept of the one before it. */
const RESERVE_BYTES = 64 * 1024; // 64 KiB
const BLOCKS_AT_ONCE = 4;
/** To read so much that is not wanted takes a disk no longer than to go elsewhere. */
const READ_ON_BYTES = 512 * 1024; // 512 KiB
/** The system's cache gives a window in a tenth of it, a disk in no less. */
const SLOW_READ = 0.05; // ms
const MOST_SLOW_READS = 3;
/** Of a slow read by every other one: the processor may have been taken away meanwhile. */
const FORGIVEN = 1 / 16;

interface Block {
  readonly buffer: Buffer;
  /** Where its bytes lie in the file; they stand behind the reserve. */
  readonly offset: number;
  readonly bytes: number;
}

/** Blocks with their reserve that nobody uses. They begin at a page, as a read past the cache wants it. */
const spares: Buffer[] = [];

/**
 * A part of a file in memory, for one who goes up through it. What is in the system's cache is read
 * from there at once, a few KiB where they are wanted. A file that turns out to lie on the disk is read
 * past the cache, while others work: what is near in longer and longer blocks, one of them ahead, what
 * is far by itself.
 */
export class FilePart {
  /** Of the file. */
  readonly bytes: number;
  /** Has the file's bytes from `from` to `to`; valid until the next `reach`. */
  buffer: Buffer = Buffer.alloc(0);
  from = 0;
  to = 0;
  /** Where in the file the buffer's first byte would lie. */
  origin = 0;
  readonly #path: string;
  readonly #handle: FileHandle;
  /** Rises with every slow read, and falls a little with every other. */
  #slowReads = 0;
  #window = Buffer.alloc(0);
  /** As `#handle`, past the cache; null where that cannot be. */
  #direct: FileHandle | null | undefined;
  #blockBytes = FIRST_BYTES;
  /** The block that the buffer is. */
  #block: Buffer | null = null;
  #ahead: Promise<Block | Error> | null = null;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.bytes = bytes;
  }

  static async open(path: string): Promise<FilePart> {
    const handle = await openPrivate(path, 'r');
    try {
      return new FilePart(path, handle, (await handle.stat()).size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  has(offset: number): boolean {
    return offset >= this.from && offset < this.to;
  }

  /**
   * Has the byte at `offset`, and bytes behind it: more than before, if it had it already. What lies
   * before may be gone; of a place on the disk that is far, `lead` bytes before it are read too. False
   * when the file has no more.
   */
  reach(offset: number, lead = 0): boolean | Promise<boolean> {
    return this.#slowReads < MOST_SLOW_READS
      ? this.#readHere(offset)
      : this.#readBlocks(offset, lead);
  }

  async close(): Promise<void> {
    await this.#dropAhead();
    giveBlock(this.#block);
    await this.#direct?.close();
    await this.#handle.close();
  }

  /** Out of the cache, where a trip through the thread pool would cost more than the copy. */
  #readHere(offset: number): boolean {
    const had = this.has(offset) ? this.to - offset : 0;
    const wanted = Math.max(WINDOW_BYTES, 2 * had);
    if (this.#window.length < wanted) this.#window = Buffer.allocUnsafeSlow(wanted);
    const begun = performance.now();
    const count = readSync(this.#handle.fd, this.#window, 0, wanted, offset);
    const slow = performance.now() - begun > SLOW_READ;
    this.#slowReads = slow ? this.#slowReads + 1 : Math.max(0, this.#slowReads - FORGIVEN);
    this.buffer = this.#window;
    this.origin = offset;
    this.from = offset;
    this.to = offset + count;
    return count > had;
  }

  async #readBlocks(offset: number, lead: number): Promise<boolean> {
    if (offset < this.from || offset > this.to + READ_ON_BYTES) {
      await this.#dropAhead();
      this.from = Math.max(0, offset - lead);
      this.to = this.from;
      this.#blockBytes = FIRST_BYTES;
    }
    do {
      const keep = Math.max(this.from, this.to - RESERVE_BYTES);
      if (!(await this.#readOn(Math.min(keep, offset)))) return false;
    } while (offset >= this.to);
    return true;
  }

  /** Adds a block; what lies before `keep` goes. */
  async #readOn(keep: number): Promise<boolean> {
    if (this.to - keep > RESERVE_BYTES) return this.#readLong(keep);
    const block = await (this.#ahead ?? this.#read(this.to));
    this.#ahead = null;
    if (block instanceof Error) throw block;
    const { buffer, offset } = block;
    const to = offset + block.bytes;
    const more = to > this.to;
    if (keep < offset) {
      const start = RESERVE_BYTES - (offset - keep);
      this.buffer.copy(buffer, start, keep - this.origin, offset - this.origin);
    }
    giveBlock(this.#block);
    this.#block = buffer;
    this.buffer = buffer;
    this.origin = offset - RESERVE_BYTES;
    this.from = Math.min(keep, offset);
    this.to = to;
    this.#blockBytes = Math.min(MOST_BYTES, GROWTH * this.#blockBytes);
    if (more && to < this.bytes && this.#blockBytes >= AHEAD_BYTES) this.#ahead = this.#read(to);
    return more;
  }

  /** As much again as is kept, so that a line of any length is copied only a few times. */
  async #readLong(keep: number): Promise<boolean> {
    await this.#dropAhead();
    const had = this.to - keep;
    const buffer = Buffer.allocUnsafeSlow(2 * had + MOST_BYTES);
    this.buffer.copy(buffer, 0, keep - this.origin, this.to - this.origin);
    const { bytesRead } = await this.#handle.read(buffer, had, buffer.length - had, this.to);
    giveBlock(this.#block);
    this.#block = null;
    this.buffer = buffer;
    this.origin = keep;
    this.from = keep;
    this.to += bytesRead;
    return bytesRead > 0;
  }

  /** The outcome is a value: a read ahead that fails while nobody waits must not end the process. */
  async #read(position: number): Promise<Block | Error> {
    const offset = position - (position % UNIT_BYTES);
    const buffer = takeBlock();
    const length = this.#blockBytes;
    const read = (handle: FileHandle) => handle.read(buffer, RESERVE_BYTES, length, offset);
    try {
      this.#direct ??= this.#direct === undefined ? await openDirect(this.#path, O_RDONLY) : null;
      const direct = this.#direct;
      const { bytesRead } = await (direct === null
        ? read(this.#handle)
        : read(direct).catch(async (error: unknown) => {
            // What can be opened so may still refuse to be read so.
            if (errorCode(error) !== 'EINVAL') throw error;
            this.#direct = null;
            await direct.close();
            return read(this.#handle);
          }));
      return { buffer, offset, bytes: bytesRead };
    } catch (error) {
      giveBlock(buffer);
      return error as Error;
    }
  }

  async #dropAhead(): Promise<void> {
    const block = await this.#ahead;
    this.#ahead = null;
    if (block && !(block instanceof Error)) giveBlock(block.buffer);
  }
}

function takeBlock(): Buffer {
  const spare = spares.pop();
  if (spare !== undefined) return spare;
  const bytes = RESERVE_BYTES + MOST_BYTES;
  const { buffer } = kernelMemory(BLOCKS_AT_ONCE * bytes);
  for (let i = 0; i < BLOCKS_AT_ONCE; i++) spares.push(Buffer.from(buffer, i * bytes, bytes));
  return takeBlock();
}

function giveBlock(block: Buffer | null): void {
  if (block !== null) spares.push(block);
}
