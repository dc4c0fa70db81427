import { describe, expect, it } from 'vitest';
import { EachOf } from '../../src/streams/batches.ts';

async function* batches(...given: (readonly number[] | Error)[]) {
  for (const one of given) {
    if (one instanceof Error) throw one;
    yield one;
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('EachOf', () => {
  it('gives the items of all batches, the empty ones passed over', async () => {
    expect(await all(new EachOf(batches([], [1, 2], [], [], [3], [])))).toEqual([1, 2, 3]);
  });

  it('answers pulls made at once in their order, and all of them at the end', async () => {
    const items = new EachOf(batches([1], [], [2, 3]));
    const pulls = await Promise.all(Array.from({ length: 6 }, () => items.next()));
    expect(pulls.map(({ value }) => value)).toEqual([1, 2, 3, undefined, undefined, undefined]);
    expect(pulls.map(({ done }) => done)).toEqual([false, false, false, true, true, true]);
  });

  it('takes an item only when it is asked for', async () => {
    let made = 0;
    function* numbers() {
      while (made < 10) yield ++made;
    }
    const items = new EachOf(
      (async function* () {
        yield numbers();
      })(),
    );
    await items.next();
    await items.next();
    expect(made).toBe(2);
  });

  it('ends its source when it is ended early', async () => {
    let closed = false;
    async function* source() {
      try {
        yield [1, 2, 3];
      } finally {
        closed = true;
      }
    }
    const items = new EachOf(source());
    for await (const item of items) if (item === 2) break;
    expect(closed).toBe(true);
    expect(await items.next()).toEqual({ value: undefined, done: true });
  });

  it('throws what its source or a batch throws, and is at its end then', async () => {
    function* broken() {
      yield 1;
      throw new Error('no more');
    }
    const one = new EachOf(batches([1], new Error('no more')));
    const two = new EachOf(
      (async function* () {
        yield broken();
      })(),
    );
    for (const items of [one, two]) {
      await expect(all(items)).rejects.toThrow('no more');
      expect((await items.next()).done).toBe(true);
    }
  });

  it('stops before the next item once its signal is aborted', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const run = async () => {
      for await (const item of new EachOf(batches([1, 2, 3]), controller.signal)) {
        seen.push(item);
        if (item === 2) controller.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2]);
  });
});
