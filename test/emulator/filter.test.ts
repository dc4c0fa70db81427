import { describe, expect, test } from 'vitest';
import { parseFilter, parseOrder } from '../../src/emulator/http/filter.ts';
import type { BatchRecord } from '../../src/emulator/records.ts';

const batch = (seconds: number, status: BatchRecord['status'], number = 1) =>
  ({ createdAt: seconds * 1000 + 250, status, number }) as BatchRecord;

describe('$filter', () => {
  test.each([
    ["created_at gt 1728860560 and status eq 'Completed'", 1728860561, 'completed', true],
    ["created_at gt 1728860560 and status eq 'Completed'", 1728860560, 'completed', false],
    ['created_at ge 1728860560', 1728860560, 'failed', true],
    ["status eq 'InProgress'", 5, 'in_progress', true],
    ["status eq 'canceled'", 5, 'cancelled', true],
    ["status eq 'canceling'", 5, 'cancelling', true],
    ["status ne 'Failed' and (created_at lt 3 or created_at gt 7)", 8, 'completed', true],
    ["status ne 'Failed' and (created_at lt 3 or created_at gt 7)", 5, 'completed', false],
    ["created_at le 2 or created_at ge 9 and status eq 'failed'", 2, 'completed', true],
    ['created_at lt 2024-10-14T00:00:00Z', 1728860560, 'completed', true],
    ['created_at eq 7', 7, 'completed', true],
  ] as const)('%s on %i, %s: %s', (filter, seconds, status, kept) => {
    expect(parseFilter(filter)(batch(seconds, status))).toBe(kept);
  });

  test.each([
    'name eq 3',
    'created_at',
    "status gt 'failed'",
    'created_at gt x',
    '(created_at gt 1',
    "created_at gt 1 status eq 'failed'",
    '$',
    ["status eq 'failed'", 'created_at gt 1'],
  ])('%s is refused', (filter) => {
    expect(() => parseFilter(filter)).toThrow('invalidParameter');
  });
});

test('$orderby', () => {
  const batches = [batch(2, 'failed', 1), batch(1, 'failed', 2), batch(2, 'failed', 3)];
  const order = (text: string) => [...batches].sort(parseOrder(text)).map(({ number }) => number);
  expect(order('created_at asc')).toEqual([2, 1, 3]);
  expect(order('created_at')).toEqual([2, 1, 3]);
  expect(order('created_at desc')).toEqual([3, 1, 2]);
  expect(() => parseOrder('status')).toThrow('invalidParameter');
});
