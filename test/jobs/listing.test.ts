import { expect, it } from 'vitest';
import type { BatchObject } from '../../src/core/batch.ts';
import { batchesSince } from '../../src/jobs/listing.ts';

const DAY_MS = 24 * 3600 * 1000;
const NOW = 30 * DAY_MS;
const COUNT = 1000;

/** A month of batches, a few of them of the last day, in some order. */
function month(order: (a: number, b: number) => number): BatchObject[] {
  const ages = Array.from({ length: COUNT }, (_, n) => (n * 30 * DAY_MS) / COUNT).sort(order);
  return ages.map((age) => ({ id: `b${age}`, createdAt: NOW - age }) as BatchObject);
}

async function read(list: readonly BatchObject[]): Promise<{ recent: number; pulled: number }> {
  let pulled = 0;
  async function* pages() {
    for (const batch of list) {
      pulled += 1;
      yield batch;
    }
  }
  let recent = 0;
  for await (const { createdAt } of batchesSince(pages(), NOW - DAY_MS)) {
    if ((createdAt ?? NOW) >= NOW - DAY_MS) recent += 1;
  }
  return { recent, pulled };
}

const shuffled = (a: number, b: number) => Math.sin(a) - Math.sin(b);
const wanted = month(() => 0).filter(({ createdAt }) => (createdAt ?? 0) >= NOW - DAY_MS).length;

it('overlooks no recent batch, whatever order a list has', async () => {
  for (const order of [
    (a: number, b: number) => a - b,
    (a: number, b: number) => b - a,
    shuffled,
  ]) {
    expect((await read(month(order))).recent).toBe(wanted);
  }
});

it('stops a page after the last recent one where a list is newest first, and only there', async () => {
  expect((await read(month((a, b) => a - b))).pulled).toBeLessThan(wanted + 120);
  expect((await read(month(shuffled))).pulled).toBe(COUNT);
  const nearly = month((a, b) => a - b);
  nearly.push({ id: 'late', createdAt: NOW } as BatchObject);
  nearly.splice(3, 0, { id: 'odd', createdAt: NOW } as BatchObject);
  expect((await read(nearly)).recent).toBe(wanted + 2);
});

it('yields batches without a time, and does not stop for them', async () => {
  const list = month((a, b) => a - b).map((batch) => ({ ...batch, createdAt: null }));
  expect((await read(list)).pulled).toBe(COUNT);
});
