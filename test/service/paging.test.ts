import { describe, expect, it } from 'vitest';
import { ServiceError } from '../../src/core/errors.ts';
import { pages } from '../../src/service/paging.ts';
import { collect } from './server.ts';

const PAGE = 3;

/** A list in which items come and go while it is read, and whose cursor has to be one of them. */
function changing(ids: string[], change: (call: number, ids: string[]) => void) {
  let calls = 0;
  return async (after: string | undefined) => {
    calls += 1;
    change(calls, ids);
    const at = after === undefined ? -1 : ids.indexOf(after);
    if (after !== undefined && at < 0) throw refused(400);
    const items = ids.slice(at + 1, at + 1 + PAGE).map((id) => ({ id }));
    return { items, hasMore: at + 1 + PAGE < ids.length };
  };
}

function refused(status: number): ServiceError {
  return new ServiceError('invalidPayload', 'Invalid value for after.', {
    status,
    outcome: 'refused',
    retryable: false,
  });
}

const ids = (n: number) => Array.from({ length: n }, (_, i) => `f${i}`);
const named = async (load: Parameters<typeof pages>[1]) =>
  (await collect(pages('files', load))).map(({ id }) => id);

describe('a list that changes while it is read', () => {
  it('is begun again when the item that its cursor names is gone', async () => {
    const list = ids(8);
    const read = await named(
      changing(list, (call, now) => {
        if (call === 2) now.splice(2, 1);
      }),
    );
    expect(read).toEqual(ids(8));
  });

  it('gives every item once when items come before those that were read', async () => {
    const read = await named(
      changing(ids(8), (call, now) => {
        if (call === 2) now.unshift('new');
      }),
    );
    expect(read).toEqual(ids(8));
  });

  it('is given up when every cursor is refused', async () => {
    let calls = 0;
    const load = async (after: string | undefined) => {
      calls += 1;
      if (after !== undefined) throw refused(404);
      return { items: [{ id: 'a' }], hasMore: true };
    };
    await expect(named(load)).rejects.toMatchObject({ status: 404 });
    expect(calls).toBeLessThan(20);
  });

  it('is an error when a page comes again and says that there is more', async () => {
    const load = async () => ({ items: [{ id: 'a' }, { id: 'b' }], hasMore: true });
    await expect(named(load)).rejects.toThrow(/repeats itself/);
  });

  it('is an error when pages go round in a circle', async () => {
    let calls = 0;
    const load = async () => {
      calls += 1;
      return { items: [{ id: `${calls % 4}` }], hasMore: true };
    };
    await expect(named(load)).rejects.toThrow(/repeats itself/);
    expect(calls).toBeLessThan(10);
  });

  it('passes on a refusal of its first page', async () => {
    const load = async () => {
      throw refused(400);
    };
    await expect(named(load)).rejects.toMatchObject({ status: 400 });
  });
});
