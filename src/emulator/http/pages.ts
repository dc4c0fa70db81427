import { WireError } from './errors.ts';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/** The page after the item `after`. Refuses a limit out of bounds. */
export function pageOf<T extends { readonly id: string }>(
  all: readonly T[],
  query: { after?: string | undefined; limit?: string | undefined },
  bounds: { default: number; most: number },
): Page<T> {
  const limit = query.limit === undefined ? bounds.default : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > bounds.most) {
    throw new WireError('invalidParameter', { param: 'limit' });
  }
  let start = 0;
  if (query.after !== undefined && query.after !== '') {
    const at = all.findIndex((item) => item.id === query.after);
    if (at < 0) throw new WireError('invalidParameter', { param: 'after' });
    start = at + 1;
  }
  const items = all.slice(start, start + limit);
  return { items, hasMore: start + items.length < all.length };
}
