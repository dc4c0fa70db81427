import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bar, inWords, stretchesOf } from '../../src/cli/screen/bar.ts';
import { costInWords, tokensInWords } from '../../src/cli/screen/money-words.ts';
import { styleOf } from '../../src/cli/screen/style.ts';
import {
  bytes,
  cells,
  duration,
  money,
  plural,
  shellWord,
  shorten,
} from '../../src/cli/screen/words.ts';

const plain = styleOf({ write: () => true }, { LANG: 'C.UTF-8' });

test.each([
  [400, '0.4 s'],
  [9949, '9.9 s'],
  [9951, '10 s'],
  [59_400, '59 s'],
  [185_000, '3 min 05 s'],
  [7_800_000, '2 h 10 min'],
  [260_000_000, '3 d 00 h'],
])('%i ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

test('sizes and sums are short', () => {
  expect([512, 1234, 9_990, 200e6].map(bytes)).toEqual(['512 B', '1.2 kB', '10.0 kB', '200 MB']);
  expect(money(12.345, 'USD')).toBe('12.35 USD');
  expect(money(0.0123, 'USD')).toBe('0.012 USD');
  expect(money(0, 'USD')).toBe('0 USD');
  expect(money(null, 'USD')).toBe('unknown');
  expect(plural(1, 'batch', 'batches')).toBe('1 batch');
  expect(plural(1200, 'row')).toBe('1,200 rows');
});

test('a job that goes on has a forecast, one that is over has what it cost', () => {
  const cost = {
    estimated: 2,
    estimated_output: 3,
    output_basis: 'learnt',
    actual: 4,
    currency: 'USD',
    price_date: '2026-01-01',
  } as const;
  expect(costInWords({ state: 'running', sample: null, cost })).toBe(
    '4.00 USD so far; all: input 2.00 USD, output 3.00 USD (as learnt)',
  );
  expect(costInWords({ state: 'finished', sample: null, cost })).toBe(
    'about 4.00 USD at batch prices',
  );
});

test('the tokens of a large job fit beside their label on 80 columns', () => {
  const tokens = {
    estimated: 12_345_678,
    actual: 10_000_000,
    cached: 0,
    enqueued: 0,
    output: 1_234_567,
    reasoning: 0,
    measured: { estimated: 105, actual: 100 },
  };
  const words = tokensInWords({ tokens });
  expect(words).toBe('in 10,000,000 (counted +5.0 %), estimated 12,345,678, out 1,234,567');
  expect(words.length).toBeLessThanOrEqual(80 - 12);
  expect(tokensInWords({ tokens: { ...tokens, cached: 5, reasoning: 7 } })).toBe(
    'in 10,000,000 (counted +5.0 %), estimated 12,345,678, 5 cached, out 1,234,567 (7 reasoning)',
  );
});

describe('shortening', () => {
  test('counts wide characters as two cells and never cuts one in half', () => {
    expect(cells('日本語')).toBe(6);
    expect(shorten('日本語テキスト', 7)).toBe('日本語…');
    expect(shorten('👩‍👩‍👧 family', 4)).toBe('👩‍👩‍👧 …');
    expect(shorten('plain', 5)).toBe('plain');
  });

  test('never takes more cells than there are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 1, max: 60 }),
        (text, width) => {
          expect(cells(shorten(text, width))).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

test('words that a shell would read otherwise are quoted', () => {
  expect(shellWord('data/reviews.job')).toBe('data/reviews.job');
  expect(shellWord("my job's")).toBe(`'my job'\\''s'`);
});

describe('the bar', () => {
  const counts = fc.record({
    done: fc.nat(500),
    running: fc.nat(500),
    sending: fc.nat(500),
    waiting: fc.nat(500),
  });

  test('always fills its width, and shows whatever there is some of', () => {
    fc.assert(
      fc.property(counts, (stretches) => {
        const drawn = bar(stretches, 24, plain);
        expect(drawn).toHaveLength(24);
        const parts = [stretches.done, stretches.running, stretches.sending, stretches.waiting];
        if (parts.every((part) => part === 0)) return;
        parts.forEach((part, index) => {
          expect(drawn.includes(plain.blocks[index] ?? '')).toBe(part > 0);
        });
      }),
    );
  });

  test('every state of a shard has its stretch', () => {
    const stretches = stretchesOf({
      sealed: 1,
      granted: 2,
      submitted: 3,
      collecting: 1,
      cleaned: 5,
    });
    expect(stretches).toEqual({ done: 5, running: 4, sending: 2, waiting: 1 });
    expect(inWords(stretches)).toBe('5 done, 4 at the service, 2 on the way, 1 waiting');
  });
});
