import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { errorCode, MillraceError } from '../core/errors.ts';
import { openPrivate } from '../streams/files.ts';

/** The files of one batch as they were downloaded; null when the batch has none. */
export interface AnswerFiles {
  readonly output: string | null;
  readonly error: string | null;
}

/**
 * Reads pieces of both files of a batch as if they were one: places count on from the output file
 * into the error file.
 */
export class AnswerReader {
  /** The files that there are, and how many bytes come before each. */
  readonly files: readonly { readonly path: string; readonly before: number }[];
  readonly outputBytes: number;
  readonly errorBytes: number;
  readonly #output: FileHandle | null;
  readonly #error: FileHandle | null;

  private constructor(
    paths: AnswerFiles,
    output: FileHandle | null,
    outputBytes: number,
    error: FileHandle | null,
    errorBytes: number,
  ) {
    this.files = [
      ...(paths.output === null ? [] : [{ path: paths.output, before: 0 }]),
      ...(paths.error === null ? [] : [{ path: paths.error, before: outputBytes }]),
    ];
    this.#output = output;
    this.outputBytes = outputBytes;
    this.#error = error;
    this.errorBytes = errorBytes;
  }

  static async open(paths: AnswerFiles): Promise<AnswerReader> {
    const { output, error } = paths;
    const first = output === null ? null : await openAnswers(output);
    try {
      const firstBytes = first === null ? 0 : (await first.stat()).size;
      const second = error === null ? null : await openAnswers(error);
      const secondBytes = second === null ? 0 : (await second.stat()).size;
      return new AnswerReader(paths, first, firstBytes, second, secondBytes);
    } catch (cause) {
      await first?.close();
      throw cause;
    }
  }

  get bytes(): number {
    return this.outputBytes + this.errorBytes;
  }

  /** Reads `length` bytes from the place `start` to the start of `into`, also over the end of the first file. */
  async readRange(start: number, length: number, into: Buffer): Promise<void> {
    for (let done = 0; done < length; ) {
      const from = start + done;
      const inOutput = from < this.outputBytes;
      const handle = inOutput ? this.#output : this.#error;
      if (handle === null) throw changed();
      const most = inOutput ? Math.min(length - done, this.outputBytes - from) : length - done;
      const position = inOutput ? from : from - this.outputBytes;
      const { bytesRead } = await handle.read(into, done, most, position);
      if (bytesRead === 0) throw changed();
      done += bytesRead;
    }
  }

  /** Copies `length` bytes from the place `start` to `into`, which has the room. */
  read(start: number, length: number, into: Buffer, at: number): void {
    const inOutput = start < this.outputBytes;
    const handle = inOutput ? this.#output : this.#error;
    if (handle === null) throw changed();
    readFully(handle.fd, into, at, length, inOutput ? start : start - this.outputBytes);
  }

  async close(): Promise<void> {
    await this.#output?.close();
    await this.#error?.close();
  }
}

async function openAnswers(path: string): Promise<FileHandle> {
  try {
    return await openPrivate(path, 'r');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new MillraceError(
      'download_missing',
      `the downloaded answers ${path} are gone; fetch them again, then join`,
      { retryable: true, cause: error },
    );
  }
}

function readFully(fd: number, into: Buffer, at: number, length: number, from: number): void {
  let done = 0;
  while (done < length) {
    // Right out of the page cache: a trip through the thread pool costs more than the copy.
    const count = readSync(fd, into, at + done, length - done, from + done);
    if (count === 0) throw changed();
    done += count;
  }
}

function changed(): MillraceError {
  return new MillraceError(
    'download_changed',
    'a file of downloaded answers became shorter while it was read; fetch it again',
    { retryable: true },
  );
}
