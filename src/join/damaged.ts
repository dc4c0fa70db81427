import { MillraceError } from '../core/errors.ts';

/** The error of a file of results that is not as it was written. */
export function damaged(where: string, line: number | undefined, what: string): MillraceError {
  const at = line === undefined ? where : `${where} line ${line}`;
  return new MillraceError(
    'damaged_result',
    `${at}: ${what}; the file was changed after it was written, collect the shard again`,
  );
}
