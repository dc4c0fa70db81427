import { ServiceError } from '../core/errors.ts';

/** One page as the service gives it. */
export interface Page<T extends { readonly id: string }> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/**
 * Every item of a list, a page at a time as it is pulled; each id once. Ends at a page that is empty
 * or does not say that there is more. A service that gives the same page again would be read for
 * ever, and a list that is silently short would make a batch look lost: it is an error.
 */
export async function* pages<T extends { readonly id: string }>(
  what: string,
  load: (after: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  const seen = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const page = await load(after);
    const before = seen.size;
    for (const item of page.items) {
      if (seen.has(item.id)) continue;
      seen.add(item.id);
      yield item;
    }
    const last = page.items.at(-1);
    if (!page.hasMore || last === undefined) return;
    if (seen.size === before) {
      throw new ServiceError(
        'bad_answer',
        `the list of ${what} repeats itself: the page after ${after ?? 'the start'} holds nothing new ` +
          'and says that there is more',
        { status: 200, outcome: 'unknown', retryable: true },
      );
    }
    after = last.id;
  }
}
