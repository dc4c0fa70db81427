import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, MillraceError } from '../core/errors.ts';

/**
 * Takes a data directory for this process: two emulators on one journal would ruin it. A lock whose
 * process is gone, as after a kill, is taken over. Throws `data_in_use`.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}`;
  if (!create(path, mine)) {
    const [pid, start] = holderOf(path);
    if (isAlive(pid, start)) {
      throw new MillraceError(
        'data_in_use',
        `${directory} is used by an emulator of process ${pid}; stop it, or choose another directory`,
      );
    }
    rmSync(path, { force: true });
    if (!create(path, mine)) {
      throw new MillraceError('data_in_use', `${directory} was taken by another emulator just now`);
    }
  }
  return () => rmSync(path, { force: true });
}

function create(path: string, holder: string): boolean {
  try {
    const descriptor = openSync(path, 'wx', 0o600);
    writeSync(descriptor, holder);
    closeSync(descriptor);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(path: string): readonly [pid: number, start: string | undefined] {
  try {
    const [pid, start] = readFileSync(path, 'utf8').split(' ');
    return [Number(pid), start === '' ? undefined : start];
  } catch (error) {
    // It was given back between the two looks.
    if (errorCode(error) === 'ENOENT') return [0, undefined];
    throw error;
  }
}

function isAlive(pid: number, start: string | undefined): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
  // Containers give the same numbers again and again: the time of the start tells them apart.
  const now = startOf(pid);
  return start === undefined || now === undefined || start === now;
}

/** When a process began, in ticks since boot, where the system tells. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // No /proc on this system, or the process is gone: the number alone has to do.
    return undefined;
  }
}
