import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  count,
  durationMs,
  factor,
  instant,
  money,
  oneOf,
  sizeBytes,
} from '../../src/cli/units.ts';
import { UsageError } from '../../src/core/errors.ts';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['15m', 900_000],
    ['24h', 86_400_000],
    ['1.5s', 1500],
    [' 2 m ', 120_000],
  ])('%s', (text, ms) => expect(durationMs(text, '--x')).toBe(ms));

  test.each(['', '5', '5 minutes', '-1s', '0s', '1e3s', 's', '1h30m', '9999999999999h'])(
    'refuses "%s"',
    (text) => expect(() => durationMs(text, '--poll-interval')).toThrow(UsageError),
  );

  test('the error names the flag, the text, and how it is written', () => {
    expect(() => durationMs('soon', '--poll-interval')).toThrow(
      '--poll-interval "soon" is not a duration: write it as 250ms, 90s, 15m, 24h or 7d',
    );
  });
});

describe('times', () => {
  test('are so long ago, or a date', () => {
    expect(instant('90m', '--since', 6_000_000)).toBe(600_000);
    expect(instant('2026-11-22T10:00Z', '--since')).toBe(Date.UTC(2026, 10, 22, 10));
  });

  test.each(['yesterday', '2026-99-99', ''])('"%s" is told both ways', (text) => {
    expect(() => instant(text, '--since')).toThrow(
      `--since "${text}" is not a time: write it as 2026-11-22T10:00Z, 90m or 24h`,
    );
  });
});

describe('sizes', () => {
  test.each([
    ['200MB', 200e6],
    ['1GiB', 2 ** 30],
    ['1.5 KiB', 1536],
    ['65536', 65536],
    ['7b', 7],
  ])('%s', (text, bytes) => expect(sizeBytes(text, '--x')).toBe(bytes));

  test.each(['', 'MB', '1XB', '0', '-5MB', '0.2b'])('refuses "%s"', (text) =>
    expect(() => sizeBytes(text, '--x')).toThrow(UsageError),
  );
});

describe('counts', () => {
  test.each([
    ['250', 250],
    ['50k', 50_000],
    ['1.5M', 1_500_000],
    ['5B', 5e9],
    ['.5k', 500],
  ])('%s', (text, value) => expect(count(text, '--x')).toBe(value));

  test('any whole number stands for itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (value) => {
        expect(count(String(value), '--x')).toBe(value);
      }),
    );
  });

  test('nothing but a value or a UsageError comes of any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(count(text, '--x')).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });

  test.each(['__proto__', '1constructor', '1 toString'])('refuses "%s"', (text) =>
    expect(() => count(text, '--x')).toThrow(UsageError),
  );
});

test('money and factors are above zero', () => {
  expect(money('2.50', '--max-cost')).toBe(2.5);
  expect(factor('0.5', '--speed')).toBe(0.5);
  for (const text of ['0', '-1', '1e9', 'five', '', '$5']) {
    expect(() => money(text, '--max-cost')).toThrow(UsageError);
    expect(() => factor(text, '--speed')).toThrow(UsageError);
  }
});

test('a word that is not known is told with those that are', () => {
  expect(oneOf('csv', '--format', ['csv', 'json'])).toBe('csv');
  expect(() => oneOf('xls', '--format', ['csv', 'json'])).toThrow(
    '--format "xls" is not known: it is one of csv, json',
  );
});
