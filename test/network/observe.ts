import { inspect } from 'node:util';
import { errorCode, ServiceError } from '../../src/core/errors.ts';
import type { Call, Class } from './matrix.ts';

/** What came of one call: the class that it stands for, and the code of the error that was thrown. */
export interface Observed {
  readonly seen: Class | string;
  readonly code: string | null;
}

/** Refusals of a create that say nothing against the shard or the target. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** Runs a call; `tries` tells afterwards how often it went out. */
export async function observe(
  call: Call,
  run: () => Promise<unknown>,
  tries: () => number,
): Promise<Observed> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const shown = inspect(error, { depth: 9, showHidden: true });
    if (shown.includes('canary')) throw new Error('an error shows the secret');
    return { seen: classOf(call, error), code: errorCode(error) ?? null };
  }
  const count = tries();
  return { seen: count === 1 ? 'ok' : count === 2 ? 'retry' : `${count} tries`, code: null };
}

/** What the steps of a job make of an error: classes.test.ts shows that they do. */
function classOf(call: Call, error: ServiceError): Class {
  const { status, outcome, retryable } = error;
  if (error.code === 'download_cut') return 'resume';
  if (call === 'create' && outcome === 'unknown') return 'adopt';
  if (outcome !== 'refused') return retryable ? 'later' : 'stop';
  if (call === 'create') {
    if (status === 401 || status === 403) return 'stop';
    const passing = error.code === 'token_limit_exceeded' || PASSING.has(status ?? 0);
    return passing ? 'wait' : 'pause';
  }
  if (retryable) return 'later';
  if (call === 'cancel' || call === 'delete') return 'note';
  const named = call === 'batch' || call === 'file' || call === 'content' || call === 'token';
  return named && status === 404 ? 'gone' : 'stop';
}
