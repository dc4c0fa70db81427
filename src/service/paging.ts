import { ServiceError } from '../core/errors.ts';

/** One page as the service gives it. */
export interface Page<T extends { readonly id: string }> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/** How often a list is begun again because the item that its next page is to follow is gone. */
const MOST_BEGINNINGS = 6;

/**
 * Every item of a list, a page at a time as it is pulled; each id once. Ends at a page that is empty
 * or does not say that there is more. An item may go while the list is read, and the service then
 * refuses the page after it: the list is begun again. A service that gives the same page again would
 * be read for ever, and a list that is silently short would make a batch look lost: it is an error.
 */
export async function* pages<T extends { readonly id: string }>(
  what: string,
  load: (after: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  const seen = new Set<string>();
  for (let beginnings = 1; ; beginnings += 1) {
    try {
      yield* fromStart(what, load, seen);
      return;
    } catch (error) {
      if (!(error instanceof CursorRefused)) throw error;
      if (beginnings >= MOST_BEGINNINGS) throw error.cause;
    }
  }
}

/** The page after an item was refused. */
class CursorRefused extends Error {}

/** The items of a list that are not in `seen`, which they are added to. */
async function* fromStart<T extends { readonly id: string }>(
  what: string,
  load: (after: string | undefined) => Promise<Page<T>>,
  seen: Set<string>,
): AsyncGenerator<T> {
  const cursors = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const page = await load(after).catch((error: unknown) => {
      const refused =
        after !== undefined &&
        error instanceof ServiceError &&
        (error.status === 400 || error.status === 404);
      throw refused ? new CursorRefused(error.message, { cause: error }) : error;
    });
    for (const item of page.items) {
      if (seen.has(item.id)) continue;
      seen.add(item.id);
      yield item;
    }
    const last = page.items.at(-1);
    if (!page.hasMore || last === undefined) return;
    if (cursors.has(last.id)) {
      throw new ServiceError(
        'bad_answer',
        `the list of ${what} repeats itself: the page after ${after ?? 'the start'} ends as an ` +
          'earlier one did and says that there is more',
        { status: 200, outcome: 'unknown', retryable: true },
      );
    }
    after = last.id;
    cursors.add(after);
  }
}
