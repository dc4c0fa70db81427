import { UsageError } from '../core/errors.ts';

const NAMED_COLUMNS = 30;

/**
 * Throws a UsageError for the first field that is not among the columns: it names the field, the
 * columns that there are, and the nearest of them. `what` is where the columns are from.
 */
export function checkFields(
  fields: readonly string[],
  columns: readonly string[],
  what = 'the source',
): void {
  const known = new Set(columns);
  for (const field of fields) {
    if (known.has(field)) continue;
    if (columns.length === 0) {
      throw new UsageError(`${what} is empty: a CSV begins with a header that names its columns`);
    }
    const near = nearest(field, columns);
    const hint = near === undefined ? '.' : `; did you mean {{${near}}}?`;
    const rest = columns.length - NAMED_COLUMNS;
    const more = rest > 0 ? ` and ${rest} more` : '';
    throw new UsageError(
      `the request names {{${field}}}, but ${what} has no such column${hint} ` +
        `Its columns are ${columns.slice(0, NAMED_COLUMNS).join(', ')}${more}`,
    );
  }
}

/** The column that is most like the name, if one is near enough to be meant. */
function nearest(name: string, columns: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(name.length / 3)) + 1;
  for (const column of columns) {
    const edits = distance(name.toLowerCase(), column.toLowerCase(), least);
    if (edits < least) {
      least = edits;
      best = column;
    }
  }
  return best;
}

/** Edits between two words (insert, delete, replace, one each); `limit` or more counts as limit. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? limit;
}
