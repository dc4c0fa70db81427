import { readdirSync, realpathSync, statSync } from 'node:fs';
import { errorCode, UsageError } from '../core/errors.ts';

/** What a job makes in its directory: databases with their companions, and files under way. */
const OWN = [
  /^(job|lock)\.db([-.][a-z]+)?$/,
  /^\.?(last-run\.json|rejected\.ndjson|report\.html)(\.[0-9a-f]{12}\.tmp)?$/,
  /^(shards|downloads|results|local|\.DS_Store)$/,
];
const NAMED = 3;

/**
 * Refuses to begin a job in a directory that holds something else, or to remove one that does:
 * purge removes the directory whole. `what` says what was about to be done.
 */
export function refuseForeignFiles(directory: string, what: 'begin' | 'remove'): void {
  const foreign = namesIn(directory).filter((name) => !OWN.some((own) => own.test(name)));
  if (foreign.length === 0) return;
  const more = foreign.length > NAMED ? ` and ${foreign.length - NAMED} more` : '';
  const names = foreign.slice(0, NAMED).join(', ') + more;
  throw new UsageError(
    what === 'begin'
      ? `${directory} holds files that are no job's (${names}): give --job a directory of its own, such as reviews.job`
      : `${directory} also holds files that are not the job's (${names}): move them away, then purge`,
  );
}

/** What lies in a directory; nothing when there is none. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    if (errorCode(error) !== 'ENOTDIR') throw error;
    throw new UsageError(`${directory} is a file; give --job a directory`, { cause: error });
  }
}

/** Refuses an output that would take the place of one of the sources, by whatever name. */
export function refuseOutputOverSource(
  out: string | null | undefined,
  sources: readonly (string | null)[],
): void {
  if (out === null || out === undefined || out === '-') return;
  const place = identity(out);
  if (place === null) return;
  const same = sources.find((source) => source !== null && identity(source) === place);
  if (same === undefined) return;
  throw new UsageError(
    `--out ${out} is the source itself and would take its place: name another file`,
  );
}

/** Tells one file from another, links included; null when there is none. */
function identity(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return null;
  return realpathSync(path);
}
