import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, MillraceError, UsageError } from '../core/errors.ts';
import { AtomicFile } from '../streams/atomic-file.ts';
import type { QuotaFlags } from './options/limits.ts';
import type { OutputFlags } from './options/output.ts';
import type { ServiceFlags } from './options/service.ts';

/**
 * What `resume` and `retry` need not be told again: the flags of the last run that may change from
 * run to run. What must not change lies in the job's spec. No secret is a flag, so none is here.
 */
export type Remembered = OutputFlags &
  QuotaFlags &
  Omit<ServiceFlags, 'service' | 'targets' | 'blobContainer'> & {
    /** Only whether it was the local one: a key is never sent to an address that a file names. */
    service?: 'local';
  };

const KEYS = [
  'out',
  'order',
  'flat',
  'keep',
  'enqueuedTokens',
  'maxAttempts',
  'maxCost',
  'dynamicQuota',
  'retryMismatch',
  'apiVersion',
  'auth',
  'pollInterval',
  'submitGrace',
] as const satisfies readonly (keyof Remembered)[];

type RunFlags = OutputFlags & QuotaFlags & ServiceFlags;

/** Reads what the last run of the job was told; nothing when there was none. */
export async function recall(directory: string): Promise<Remembered> {
  const path = memoryPath(directory);
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Remembered;
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return {};
    if (errorCode(cause) === 'ENOTDIR') {
      throw new UsageError(`--job ${directory} is a file: give a directory, such as reviews.job`);
    }
    throw new MillraceError(
      'memory_damaged',
      `${path} cannot be read: remove it, and give --out and the other flags again`,
      { cause },
    );
  }
}

/** Keeps the flags of this run, over those of the ones before, and gives them all. */
export async function remember(directory: string, flags: RunFlags): Promise<Remembered> {
  const before = await recall(directory);
  const known = { ...before, ...changeable(flags) };
  if (JSON.stringify(known) === JSON.stringify(before)) return known;
  const file = await AtomicFile.create(memoryPath(directory));
  await file.write(`${JSON.stringify(known)}\n`);
  await file.commit();
  return known;
}

function changeable(flags: RunFlags): Remembered {
  const entries = KEYS.map((key) => [key, flags[key]] as const);
  const local = flags.service === 'local' ? { service: 'local' as const } : {};
  return { ...Object.fromEntries(entries.filter(([, value]) => value !== undefined)), ...local };
}

function memoryPath(directory: string): string {
  return join(directory, 'last-run.json');
}
