import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { countTokens as plainCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as plainO200k } from 'gpt-tokenizer/encoding/o200k_base';
import { get_encoding, type Tiktoken } from 'tiktoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classOf } from '../../src/tokens/classes.ts';
import { loadEncoding, type TextEncoding } from '../../src/tokens/encoder.ts';

/** What the splitting patterns tell apart, and what has gone wrong in other counters. */
const FRAGMENTS = [
  ...[
    'a',
    'the',
    ' the',
    'A',
    'AB',
    'ABc',
    'aBC',
    'ǅ',
    'ʰ',
    'é',
    'É',
    'e\u0301',
    '\u0301',
    '\u0903',
  ],
  ...[
    "'s",
    "'S",
    "'ſ",
    "'ll",
    "'LL",
    "'lL",
    "'re",
    "'ve",
    "'d",
    "'m",
    "'t",
    "'",
    "''",
    "n't",
    'ſ',
    'K',
  ],
  ...['1', '12', '1234', '٣', '½', '²', '𝟙'],
  ...[' ', '  ', '\t', '\n', '\n\n', '\r\n', '\r', '\v', '\u00a0', '\u0085', '\u3000', '\u2028'],
  ...[
    '!',
    '!!',
    '/',
    '//',
    '-',
    '--',
    '\u0000',
    '\u0080',
    '_',
    '$',
    '=',
    '.',
    ',',
    '\ufeff',
    '\u200d',
  ],
  ...['\ud800', '\udc00', '😀', '👨‍👩‍👧', '𐐀', '𠀀', '𞤀', '\u{e0100}', '\u{10ffff}'],
  ...[
    '漢字',
    '日本語',
    'ひらがな',
    '한국',
    'ไทย',
    'हिन्दी',
    'привет',
    'ПРИВЕТ',
    'Ω',
    'עברית',
    'العربية',
  ],
  ...['<|endoftext|>', '<|im_start|>', '<|endofprompt|>', '<|fim_prefix|>', 'https://', '\\u00e9'],
];
const soup = fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 12 }).map((all) => all.join(''));

describe.each(['o200k_base', 'cl100k_base'] as const)('%s', (name) => {
  let truth: Tiktoken;
  let ours: TextEncoding;
  const expected = (text: string) => truth.encode(text, [], []).length;
  const differs = (text: string) => ours.countText(text) !== expected(text);

  beforeAll(async () => {
    truth = get_encoding(name);
    ours = await loadEncoding(name);
  });
  afterAll(() => truth.free());

  it('counts what tiktoken counts on real text in many scripts', () => {
    const files = [
      ...globSync('node_modules/{*,@*/*}/{README,CHANGELOG}.md').slice(0, 60),
      ...globSync('node_modules/zod/src/v4/locales/*.ts'),
      ...globSync('examples/**/*.csv'),
    ];
    const wrong = files.flatMap((file) =>
      readFileSync(file, 'utf8')
        .slice(0, 40_000)
        .split(/(?<=\n)(?=[^\n]{40})/)
        .filter(differs)
        .map((text) => [file, text.slice(0, 80)]),
    );
    expect(files.length).toBeGreaterThan(30);
    expect(wrong).toEqual([]);
  });

  it('counts what tiktoken counts in texts longer than what is in line at a time', () => {
    const files = globSync('node_modules/{zod,vitest,undici,fast-check}/**/*.{md,ts}').slice(0, 40);
    const texts = files
      .map((file) => readFileSync(file, 'utf8'))
      .filter((text) => text.length > 5000);
    expect(texts.length).toBeGreaterThan(10);
    expect(texts.filter((text) => differs(text.slice(0, 40_000)))).toEqual([]);
  });

  it('counts what tiktoken counts around every border between classes of characters', () => {
    const wrong = borders()
      .map((c) => `${c}'there A${c}B ${c}\n${c}12345a${c}a\n ${c} A${c}!${c}`)
      .filter(differs);
    expect(wrong).toEqual([]);
  });

  it('counts what tiktoken counts on mixtures of what is difficult', () => {
    fc.assert(
      fc.property(soup, (text) => !differs(text)),
      { numRuns: 5000 },
    );
  });

  it('counts what tiktoken counts on any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => !differs(text)),
      { numRuns: 2000 },
    );
  });

  it('counts long pieces of random letters, where merges compete', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'aeinorst'),
      minLength: 28,
      maxLength: 400,
    });
    const chinese = fc.string({
      unit: fc.constantFrom(...'的一是不了在人有我他这中大来上'),
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.oneof(letters, chinese), (text) => !differs(text)),
      { numRuns: 500 },
    );
  });

  it('counts new words that come again before they are encoded', () => {
    const word = fc.string({
      unit: fc.constantFrom(...'qzxjkvwyÄß漢'),
      minLength: 1,
      maxLength: 32,
    });
    const words = fc.array(word, { minLength: 1, maxLength: 90 });
    fc.assert(
      fc.property(words, (all) => !differs([...all, ...all, ...all.toReversed()].join(' '))),
      { numRuns: 300 },
    );
  });

  it('counts bytes as it counts the string they are', () => {
    fc.assert(
      fc.property(soup, soup, (before, text) => {
        // Encoded apart: the two halves of a surrogate pair would become one character.
        const bytes = Buffer.concat([Buffer.from(before), Buffer.from(text)]);
        const start = Buffer.byteLength(before);
        const whole = Buffer.from(text);
        const count = ours.countText(bytes.toString('utf8', start));
        expect(ours.countUtf8(bytes, start)).toBe(count);
        expect(ours.countUtf8(whole)).toBe(ours.countText(whole.toString()));
      }),
      { numRuns: 1000 },
    );
  });

  it('ends on bytes that are not UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const count = ours.countUtf8(bytes);
        if (count > bytes.length) throw new Error(`${count} tokens in ${bytes.length} bytes`);
      }),
      { numRuns: 10_000 },
    );
  });

  it('remembers nothing of one text that changes another', () => {
    const texts = ['word', 'word\0', 'wor', 'd', '', 'x'.repeat(9_000_000), 'word'];
    const counts = () => texts.map((text) => ours.countText(text));
    expect(counts()).toEqual(counts());
    expect(texts.slice(0, 5).filter(differs)).toEqual([]);
  });

  // Both libraries need time that grows with the square of the length here.
  it.each([' ', '\n', 'a', 'A', '-', '=', '\u0301', '漢', '0', 'ab'])(
    'counts a long run of %j in time that grows with the length',
    (unit) => {
      const small = unit.repeat(1500);
      expect(ours.countText(small)).toBe(expected(small));
      const once = cpuMs(() => ours.countText(unit.repeat(50_000)));
      const fourfold = cpuMs(() => ours.countText(unit.repeat(200_000)));
      // Sixteen times would be the square; the floor is for the clock.
      expect(fourfold).toBeLessThan(10 * Math.max(once, 25));
    },
  );
});

it('differs from gpt-tokenizer only where that differs from tiktoken', async () => {
  const options = { disallowedSpecial: new Set<string>() };
  const text = readFileSync('node_modules/fast-check/README.md', 'utf8');
  for (const [name, plain] of [
    ['o200k_base', plainO200k],
    ['cl100k_base', plainCl100k],
  ] as const) {
    const ours = await loadEncoding(name);
    expect(ours.countText(text)).toBe(plain(text, options));
    expect(ours.countText('\ufeff\ufeff')).not.toBe(plain('\ufeff\ufeff', options));
  }
});

/** The characters beside which our class changes, or the engine's. */
function borders(): string[] {
  const patterns = [/\p{Lu}|\p{Lt}/u, /\p{Ll}/u, /\p{L}/u, /\p{M}/u, /\p{N}/u, /\s/u];
  const all: string[] = [];
  let before = '';
  for (let code = 0; code < 0x110000; code++) {
    const c = String.fromCodePoint(code);
    const here = classOf(code) + patterns.map((pattern) => (pattern.test(c) ? 1 : 0)).join('');
    if (here !== before && code > 0) all.push(String.fromCodePoint(code - 1), c);
    before = here;
  }
  return all;
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}
