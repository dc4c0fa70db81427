import { randomBytes } from 'node:crypto';
import { type FileHandle, lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, MillraceError } from '../core/errors.ts';
import { failpoint } from '../core/failpoints.ts';
import { DIRECT_BLOCK_BYTES, DirectWriter, giveDirectBlock, takeDirectBlock } from './direct.ts';
import { linkError, openPrivate, syncDirectory, writeError, writeFully } from './files.ts';

/** A file that is small takes no more; one that fills it goes on in larger ones. */
const FIRST_BLOCK_BYTES = 64 * 1024; // 64 KiB
const BLOCK_BYTES = DIRECT_BLOCK_BYTES;
/** After so much the disk begins to write, so that the sync at the end has little left to wait for. */
const SYNC_EVERY_BYTES = 64 * 1024 * 1024; // 64 MiB
const MAX_UTF8_BYTES_PER_UNIT = 3;
const NO_BLOCK: Buffer = Buffer.alloc(0);
const TEMPORARY_NAME = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * A private file (0600) that appears under its name only when it is whole: it is written beside its
 * place under a temporary name, made durable, renamed, and the directory is made durable too. One
 * writer at a time; ends with exactly one `commit`, or with `discard`.
 *
 * Failures are MillraceErrors: `disk_full` (retryable), `symbolic_link`, `write_failed`.
 */
export class AtomicFile {
  readonly path: string;
  /** Bytes accepted so far. */
  bytes = 0;

  readonly #handle: FileHandle;
  readonly #temporary: string;
  #block: Buffer = Buffer.allocUnsafeSlow(FIRST_BLOCK_BYTES);
  #spare: Buffer | null = null;
  #used = 0;
  #inFlight: Promise<void> = Promise.resolve();
  /** Bytes given to the disk or on their way there. */
  #position = 0;
  #direct: DirectWriter | null = null;
  #unsynced = 0;
  #syncing: Promise<void> | null = null;
  #failure: MillraceError | null = null;
  #busy = false;
  #state: 'open' | 'committed' | 'discarded' = 'open';

  readonly #onFailure = (error: unknown): void => {
    this.#failure ??= writeError(error, this.path);
  };

  private constructor(path: string, temporary: string, handle: FileHandle, direct: boolean) {
    this.path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    if (direct) this.#direct = new DirectWriter(temporary);
  }

  /**
   * Begins a file that `commit` will put at `path`, replacing what is there; never follows a link.
   * `direct` is for a large file that is not read again soon: it goes to the disk past the system's
   * cache where that can be. Default false.
   */
  static async create(path: string, { direct = false } = {}): Promise<AtomicFile> {
    const found = await lstat(path).catch((error) => ignoreMissing(error, path));
    if (found?.isSymbolicLink()) throw linkError(path);
    if (found?.isDirectory()) {
      throw new MillraceError('write_failed', `cannot write ${path}: it is a directory`);
    }
    const temporary = join(
      dirname(path),
      `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`,
    );
    return new AtomicFile(path, temporary, await openPrivate(temporary, 'wx'), direct);
  }

  /**
   * Takes the chunk (its bytes are copied). Returns nothing while there is room in the block, and a
   * promise when a block has to go to disk: await it before the next call.
   */
  write(chunk: Uint8Array | string): void | Promise<void> {
    if (this.#busy || this.#state !== 'open') throw this.#misuse();
    if (typeof chunk === 'string') {
      if (chunk.length * MAX_UTF8_BYTES_PER_UNIT > this.#block.length - this.#used) {
        return this.write(Buffer.from(chunk, 'utf8'));
      }
      const written = this.#block.write(chunk, this.#used, 'utf8');
      this.#used += written;
      this.bytes += written;
      return;
    }
    if (chunk.length > this.#block.length - this.#used) return this.#writeOver(chunk);
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
    this.bytes += chunk.length;
  }

  /** As `write`, of a large chunk: it is written from where it lies and free once this resolves. */
  async writeThrough(chunk: Uint8Array): Promise<void> {
    if (this.#busy || this.#state !== 'open') throw this.#misuse();
    this.#busy = true;
    try {
      if (this.#used > 0) await this.#flush();
      await this.#send(chunk);
      await this.#inFlight;
      if (this.#failure !== null) throw this.#failure;
      this.bytes += chunk.length;
    } finally {
      this.#busy = false;
    }
  }

  /** Makes the file whole, durable and visible. */
  commit(): Promise<void> {
    return AtomicFile.commitAll([this]);
  }

  /**
   * Commits files together, which takes little longer than the slowest: they are made durable side by
   * side, then appear in the order given. When one fails, those that have not appeared never do.
   */
  static async commitAll(files: readonly AtomicFile[]): Promise<void> {
    try {
      const settled = await Promise.allSettled(files.map((file) => file.#finish()));
      const failed = settled.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      for (const file of files) await file.#appear();
      for (const dir of new Set(files.map(({ path }) => dirname(path)))) {
        failpoint('file.directory');
        await syncDirectory(dir);
      }
      failpoint('file.whole');
    } catch (error) {
      for (const file of files) await file.discard();
      throw writeError(error, files.map(({ path }) => path).join(', '));
    }
  }

  /** Leaves nothing behind. Does nothing after `commit` or a second time. */
  async discard(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'discarded';
    await this.#inFlight;
    await this.#syncing;
    await this.#direct?.close();
    await this.#handle.close();
    this.#giveBlocks();
    await rm(this.#temporary, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.discard();
  }

  async #finish(): Promise<void> {
    if (this.#busy || this.#state !== 'open') throw this.#misuse();
    try {
      await this.#inFlight;
      await this.#syncing;
      if (this.#failure !== null) throw this.#failure;
      await writeFully(this.#handle, this.#block.subarray(0, this.#used), this.#position);
      failpoint('file.sync');
      await this.#handle.sync();
      await this.#direct?.close();
      await this.#handle.close();
      this.#giveBlocks();
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  #giveBlocks(): void {
    for (const block of [this.#block, this.#spare]) {
      if (block?.length === BLOCK_BYTES) giveDirectBlock(block);
    }
    this.#block = NO_BLOCK;
    this.#spare = null;
  }

  async #appear(): Promise<void> {
    failpoint('file.rename');
    try {
      await rename(this.#temporary, this.path);
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.#state = 'committed';
  }

  async #writeOver(chunk: Uint8Array): Promise<void> {
    this.#busy = true;
    try {
      let taken = 0;
      while (taken < chunk.length) {
        if (this.#used === this.#block.length) {
          if (this.#block.length < BLOCK_BYTES) this.#grow();
          else await this.#flush();
        }
        const part = chunk.subarray(taken, taken + this.#block.length - this.#used);
        this.#block.set(part, this.#used);
        this.#used += part.length;
        taken += part.length;
      }
      this.bytes += chunk.length;
    } finally {
      this.#busy = false;
    }
  }

  /** The first block was small: its bytes go with the next ones, in a block that any disk takes. */
  #grow(): void {
    const larger = takeDirectBlock();
    larger.set(this.#block);
    this.#block = larger;
  }

  /** Hands the block to the disk and goes on with the other one once that one is free. */
  async #flush(): Promise<void> {
    const full = this.#block.subarray(0, this.#used);
    await this.#send(full);
    const next = this.#spare ?? takeDirectBlock();
    this.#spare = this.#block.length === BLOCK_BYTES ? this.#block : null;
    this.#block = next;
    this.#used = 0;
  }

  /** Begins to write what is next, once what was before it is written. */
  async #send(bytes: Uint8Array): Promise<void> {
    await this.#inFlight;
    if (this.#failure !== null) throw this.#failure;
    this.#inFlight = this.#put(bytes, this.#position).catch(this.#onFailure);
    this.#position += bytes.length;
  }

  async #put(block: Uint8Array, position: number): Promise<void> {
    if ((await this.#direct?.write(block, position)) === true) return;
    await writeFully(this.#handle, block, position);
    this.#unsynced += block.length;
    if (this.#unsynced < SYNC_EVERY_BYTES || this.#syncing !== null) return;
    this.#unsynced = 0;
    this.#syncing = this.#handle
      .datasync()
      .catch(this.#onFailure)
      .finally(() => {
        this.#syncing = null;
      });
  }

  #misuse(): MillraceError {
    const why = this.#busy ? 'a write is still under way; await it' : `it is ${this.#state}`;
    return new MillraceError('write_failed', `cannot write ${this.path}: ${why}`);
  }
}

/**
 * Removes what AtomicFiles of killed processes left in the directory, of one file or of all, and
 * says how many. Only for the one who writes there: a living writer's file would go too.
 */
export async function removeTemporaries(dir: string, file?: string): Promise<number> {
  const start = file === undefined ? '.' : `.${file}.`;
  const names = (await readdir(dir)).filter(
    (name) => TEMPORARY_NAME.test(name) && name.startsWith(start),
  );
  for (const name of names) await rm(join(dir, name), { force: true });
  return names.length;
}

function ignoreMissing(error: unknown, path: string): undefined {
  if (errorCode(error) === 'ENOENT') return undefined;
  throw writeError(error, path);
}
