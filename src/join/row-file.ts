import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../core/errors.ts';
import { AtomicFile } from '../streams/atomic-file.ts';
import { syncDirectory } from '../streams/files.ts';
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
    await commitFiles([await this.finish()]);
  }

  /** Takes the last lines; then `commitFiles` does the rest, of several files at once. */
  async finish(): Promise<FinishedFile> {
    if (this.block.length > 0) await this.#write();
    this.block.end();
    return { path: this.path, file: this.#file };
  }

  async discard(): Promise<void> {
    await this.#file?.discard();
  }

  async #write(): Promise<void> {
    this.#file ??= await AtomicFile.create(this.path);
    await this.#file.write(this.block.take());
  }
}

/** A file that may be committed, or null where there is to be none. */
export interface FinishedFile {
  readonly path: string;
  readonly file: AtomicFile | null;
}

/** Makes the files visible, and makes sure that there are none where they are null; or leaves nothing. */
export async function commitFiles(finished: readonly FinishedFile[]): Promise<void> {
  const files = finished.flatMap(({ file }) => (file === null ? [] : [file]));
  try {
    for (const { path, file } of finished) if (file === null) await removeDurably(path);
  } catch (error) {
    for (const file of files) await file.discard();
    throw error;
  }
  await AtomicFile.commitAll(files);
}

/** Removes a file that may not be there. */
async function removeDurably(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return;
  }
  await syncDirectory(dirname(path));
}
