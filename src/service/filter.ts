import { type BatchObject, type BatchStatus, TERMINAL_STATUSES } from '../core/batch.ts';
import { UsageError } from '../core/errors.ts';
import { time, toBatchStatus } from './wire.ts';

type Test = (batch: BatchObject) => boolean;

const TOKEN = /\s*(?:([()])|'((?:[^']|'')*)'|([^\s()']+))/y;

const COMPARISONS: Readonly<Record<string, (difference: number) => boolean>> = {
  eq: (difference) => difference === 0,
  ne: (difference) => difference !== 0,
  gt: (difference) => difference > 0,
  ge: (difference) => difference >= 0,
  lt: (difference) => difference < 0,
  le: (difference) => difference <= 0,
};

/**
 * The test that a `$filter` of the list stands for: comparisons of `created_at` (unix seconds or an
 * ISO time) and `status` by eq, ne, gt, ge, lt and le, joined by `and` and `or`, with parentheses.
 * Not every version of the service hears a filter, so that what it gives is tested here in any case.
 * Throws a UsageError for anything else.
 */
export function batchFilter(text: string): Test {
  const words = wordsOf(text);
  const fail = (): never => {
    throw new UsageError(
      `--filter "${text}" cannot be read: write it as "created_at gt 1732000000 and status eq 'Completed'"`,
    );
  };
  let at = 0;
  const takes = (word: string) => {
    if (words[at]?.toLowerCase() !== word) return false;
    at += 1;
    return true;
  };
  const next = () => words[at++] ?? fail();
  const either = (): Test => {
    const tests = [both()];
    while (takes('or')) tests.push(both());
    return (batch) => tests.some((test) => test(batch));
  };
  const both = (): Test => {
    const tests = [one()];
    while (takes('and')) tests.push(one());
    return (batch) => tests.every((test) => test(batch));
  };
  const one = (): Test => {
    if (takes('(')) {
      const test = either();
      return takes(')') ? test : fail();
    }
    const [field, operator, value] = [next(), next().toLowerCase(), next()];
    const compare = Object.hasOwn(COMPARISONS, operator) ? COMPARISONS[operator] : undefined;
    if (compare === undefined) return fail();
    if (field === 'created_at') {
      const wanted = time(value) ?? fail();
      return ({ createdAt }) =>
        createdAt !== null && compare(Math.floor(createdAt / 1000) - Math.floor(wanted / 1000));
    }
    const status = toBatchStatus(value);
    if (field !== 'status' || status === null || !/^(eq|ne)$/.test(operator)) return fail();
    return (batch) => compare(batch.status === status ? 0 : 1);
  };
  const test = either();
  return at === words.length ? test : fail();
}

/**
 * The statuses that a list such as `completed,failed` names; `live` and `ended` stand for those of
 * their kind. Throws a UsageError for a word that is no status.
 */
export function statusFilter(list: string): Test {
  const tests = list.split(',').map((word): Test => {
    const name = word.trim().toLowerCase();
    if (name === 'live') return ({ status }) => !TERMINAL_STATUSES.has(status);
    if (name === 'ended') return ({ status }) => TERMINAL_STATUSES.has(status);
    const wanted: BatchStatus | null = toBatchStatus(name);
    if (wanted !== null) return ({ status }) => status === wanted;
    throw new UsageError(
      `--status "${word}" is not known: it is live, ended, validating, in_progress, finalizing, ` +
        'completed, failed, expired, cancelling or cancelled',
    );
  });
  return (batch) => tests.some((test) => test(batch));
}

function wordsOf(text: string): string[] {
  const words: string[] = [];
  TOKEN.lastIndex = 0;
  const whole = text.trimEnd();
  while (TOKEN.lastIndex < whole.length) {
    const found = TOKEN.exec(whole);
    if (found === null) return [];
    words.push(found[1] ?? found[2] ?? found[3] ?? '');
  }
  return words;
}
