import { createHash } from 'node:crypto';
import { type FileHandle, lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, MillraceError } from '../core/errors.ts';
import { openPrivate, syncDirectory, writeFully } from '../streams/files.ts';

const BLOCK_CHARS = 128 * 1024;

/**
 * The rows of status `rejected` of one partition: a file that grows from seal to seal and is cut
 * back to the last seal by `restore`, before anything is added. Without a path nothing is
 * written, and only the length and the hash are found.
 */
export class RejectedFile {
  /** Length of the file with everything added so far. */
  bytes: number;

  readonly #path: string | null;
  #handle: FileHandle | null = null;
  #pending: string[] = [];
  #pendingChars = 0;
  #hash = createHash('sha256');
  #dirty = false;

  /** `sealed` is the length at the last seal; what lies behind it is of a run that was cut off. */
  constructor(path: string | null, sealed: number) {
    this.#path = path;
    this.bytes = sealed;
  }

  /** Opens the file if it is there, and drops what a run that was cut off left behind the seal. */
  async restore(): Promise<void> {
    if (this.#path === null) return;
    const size = await sizeOf(this.#path);
    if (size < this.bytes) {
      throw new MillraceError(
        'corrupt_job',
        `${this.#path} has ${size} bytes, but ${this.bytes} were sealed; the job directory was changed, prepare again in a new one`,
      );
    }
    if (size === this.bytes) return;
    this.#handle = await openPrivate(this.#path, 'a');
    await this.#handle.truncate(this.bytes);
    this.#dirty = true;
  }

  /** Adds a row (JSON). Returns a promise when a block has to go to disk: await it. */
  add(row: string): void | Promise<void> {
    this.#pending.push(row, '\n');
    this.#pendingChars += row.length + 1;
    if (this.#pendingChars >= BLOCK_CHARS) return this.#flush();
  }

  /** Makes everything so far durable; gives the hex SHA-256 of what came since the last seal. */
  async seal(): Promise<string> {
    await this.#flush();
    if (this.#dirty) await this.#handle?.sync();
    this.#dirty = false;
    const digest = this.#hash.digest('hex');
    this.#hash = createHash('sha256');
    return digest;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  async #flush(): Promise<void> {
    if (this.#pendingChars === 0) return;
    const block = Buffer.from(this.#pending.join(''));
    this.#pending = [];
    this.#pendingChars = 0;
    this.#hash.update(block);
    if (this.#path !== null) await this.#write(this.#path, block);
    this.bytes += block.length;
  }

  async #write(path: string, block: Buffer): Promise<void> {
    try {
      if (this.#handle === null) {
        this.#handle = await openPrivate(path, 'a');
        await syncDirectory(dirname(path));
      }
      this.#dirty = true;
      await writeFully(this.#handle, block);
    } catch (error) {
      throw diskError(error, path);
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

function diskError(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new MillraceError(
    'disk_full',
    `no space left for ${path}; free some or choose another disk, then resume`,
    { retryable: true, cause: error },
  );
}
