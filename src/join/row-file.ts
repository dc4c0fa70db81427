import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../core/errors.ts';
import { AtomicFile, syncDirectory } from '../streams/files.ts';
import { RowBlock } from './row-block.ts';

/**
 * A file of lines that exists only if there is a line for it: no line, no file, and one that lies
 * there from an earlier try is removed.
 */
export class RowFile {
  readonly path: string;
  /** Lines go here, each with its newline; then call `drain`. */
  readonly block = new RowBlock();
  #file: AtomicFile | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** Hands the block on when there is enough of it: await it before more is added. */
  drain(): void | Promise<void> {
    if (this.block.full) return this.#write();
  }

  /** Makes the file visible, or makes sure that there is none. */
  async commit(): Promise<void> {
    if (this.block.length > 0) await this.#write();
    if (this.#file !== null) return this.#file.commit();
    await removeDurably(this.path);
  }

  async discard(): Promise<void> {
    await this.#file?.discard();
  }

  async #write(): Promise<void> {
    this.#file ??= await AtomicFile.create(this.path);
    await this.#file.write(this.block.take());
  }
}

/** Removes a file that may not be there. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return;
  }
  await syncDirectory(dirname(path));
}
