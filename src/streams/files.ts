import { closeSync, constants, openSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, stat } from 'node:fs/promises';
import { errorCode, MillraceError } from '../core/errors.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Opens a file with 0600 if it is made; refuses a symbolic link as the last part of the path. */
export async function openPrivate(
  path: string,
  flags: 'r' | 'r+' | 'w' | 'wx' | 'a',
): Promise<FileHandle> {
  try {
    return await open(path, OPEN_FLAGS[flags] | (constants.O_NOFOLLOW ?? 0), FILE_MODE);
  } catch (error) {
    if (errorCode(error) === 'ELOOP') throw linkError(path);
    if (flags === 'r' || flags === 'r+') throw error;
    throw writeError(error, path);
  }
}

/**
 * Makes an empty private file for a database if there is none, which would else be readable by whom
 * the umask lets. One that is there is not even opened: to close it would give back the locks that a
 * database of this process has on it, as POSIX locks belong to the process. It is synchronous so
 * that none can be taken between.
 */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, OPEN_FLAGS.wx, FILE_MODE));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw writeError(error, path);
  }
}

const OPEN_FLAGS = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  wx: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  a: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
} as const;

/**
 * Writes all of the chunk, at `position` or where the file is; a single write may take less than it
 * was given.
 */
export async function writeFully(
  handle: FileHandle,
  chunk: Uint8Array,
  position: number | null = null,
): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    const at = position === null ? null : position + done;
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at);
    done += bytesWritten;
  }
}

/** Makes renames and removals in the directory durable. */
export async function syncDirectory(dir: string): Promise<void> {
  // Windows cannot open a directory for a sync, and its renames need none.
  if (process.platform === 'win32') return;
  const handle = await open(dir, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes the directory and the missing ones above it with 0700. One that exists is used as it is,
 * unless it is a link that another user made.
 */
export async function makePrivateDirectory(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: DIRECTORY_MODE }).catch((error) => {
      // Node says so of a read-only file system too; asked for this folder alone, it tells.
      if (errorCode(error) !== 'ENOENT') throw error;
      return mkdir(dir, DIRECTORY_MODE);
    });
    const found = await lstat(dir);
    if (found.isSymbolicLink() && found.uid !== process.getuid?.()) throw linkError(dir);
    if (!(await stat(dir)).isDirectory()) {
      throw new MillraceError('write_failed', `cannot use ${dir}: it is not a directory`);
    }
  } catch (error) {
    throw writeError(error, dir);
  }
}

/** What is told of a symbolic link, which is never followed. */
export function linkError(path: string): MillraceError {
  return new MillraceError(
    'symbolic_link',
    `${path} is a symbolic link and is not followed; remove it or name its target`,
  );
}

/** What is told of a file that could not be written. */
export function writeError(error: unknown, path: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new MillraceError(
      'disk_full',
      `no space left for ${path}; free some or choose another disk, then resume`,
      { retryable: true, cause: error },
    );
  }
  const why = CANNOT_WRITE.get(code ?? '') ?? code ?? 'unknown error';
  return new MillraceError('write_failed', `cannot write ${path} (${why})`, { cause: error });
}

const CANNOT_WRITE: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'no right to write there'],
  ['EPERM', 'no right to write there'],
  ['EROFS', 'its file system is read-only'],
  ['ENOTDIR', 'a part of its path is a file'],
  ['EIO', 'the disk failed'],
]);
