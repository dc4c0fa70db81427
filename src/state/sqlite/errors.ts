import { rmSync, writeFileSync } from 'node:fs';
import { errorCode, errorMessage, MillraceError } from '../../core/errors.ts';

/** SQLite's primary result codes that a user can do something about. */
const KNOWN: Readonly<Record<number, { code: string; retryable: boolean; words: string }>> = {
  5: {
    code: 'store_busy',
    retryable: true,
    words: 'is held by another process for too long; end it, or try again',
  },
  8: {
    code: 'store_read_only',
    retryable: false,
    words: 'cannot be written: make the job directory writable, then resume',
  },
  10: {
    code: 'store_failed',
    retryable: false,
    words: 'could not be read or written: check the disk, then resume; what was committed is kept',
  },
  11: {
    code: 'store_damaged',
    retryable: false,
    words: 'is damaged: put back a copy of the job directory, or begin another one',
  },
  13: {
    code: 'disk_full',
    retryable: true,
    words: 'has no space left on its disk; free some, then resume',
  },
  14: {
    code: 'store_failed',
    retryable: false,
    words: 'cannot be opened: is the job directory there, and may it be read and written?',
  },
  26: {
    code: 'store_damaged',
    retryable: false,
    words: 'is not a store of millrace: was it put there by hand?',
  },
};

const IO_FAILED = 10;
const FULL = 13;
const CANNOT_OPEN = 14;

/** What a failure of SQLite means for the job; any other error as it is. */
export function storeError(error: unknown, path: string, isFull = takesNoFile): unknown {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return error;
  const primary = Number(error.errcode) & 0xff;
  // A store is opened with two files beside it: SQLite does not tell why they could not be made.
  const full = (primary === CANNOT_OPEN || primary === IO_FAILED) && isFull(path);
  const known = KNOWN[full ? FULL : primary];
  if (known === undefined) return error;
  const { code, retryable, words } = known;
  return new MillraceError(code, `${path} ${words} (${errorMessage(error)})`, {
    retryable,
    cause: error,
  });
}

/** As much as the smaller of the two files takes. */
const PROBE = new Uint8Array(32 * 1024);

/** A disk may count some bytes as free and yet have no room for one more file: only trying tells. */
function takesNoFile(path: string): boolean {
  const probe = `${path}.probe`;
  try {
    writeFileSync(probe, PROBE, { mode: 0o600, flag: 'wx' });
    return false;
  } catch (error) {
    return ['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '');
  } finally {
    rmSync(probe, { force: true });
  }
}
