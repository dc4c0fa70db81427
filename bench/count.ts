// Question: how much faster than gpt-tokenizer as it comes and than tiktoken (WASM) are exact counts
// of real text on one core, first pass, caches cold? Interleaved slices, user time of the process,
// so that neither a busy machine nor the order decides. Every count is compared with tiktoken's.
//
//   npm run bench -- count [SIZE] [KIND...] [--encoding cl100k_base]
//   npm run bench -- count [SIZE] --differential    exactness only, both encodings, and fuzz
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { get_encoding } from 'tiktoken';
import { seededRandom } from '../src/core/clock.ts';
import { ExactEncoding } from '../src/tokens/exact.ts';
import { splitCl100k, splitO200k } from '../src/tokens/split.ts';
import { corpus, utf8Bytes } from './corpus.ts';

type Encoding = 'o200k_base' | 'cl100k_base';
type Count = (text: string) => number;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    encoding: { type: 'string', default: 'o200k_base' },
    differential: { type: 'boolean', default: false },
  },
});

const SLICE_RECORDS = 5000; // about 5 MB
const KINDS = ['mixed', 'english', 'scripts', 'code', 'base64'] as const;

const size = positionals.find((word) => /^\d/.test(word));
const bytes = Number.parseFloat(size ?? (options.differential ? '200' : '20')) * 1e6;
const kinds = KINDS.filter((kind) => positionals.includes(kind));

if (options.differential) differential(bytes);
else await race(bytes, options.encoding as Encoding);

async function race(bytes: number, encoding: Encoding): Promise<void> {
  const { countTokens } = await import(`gpt-tokenizer/encoding/${encoding}`);
  const plain = { disallowedSpecial: new Set<string>() };
  const truth = get_encoding(encoding);
  const results = [];
  console.log(`${encoding}, node ${process.version}; MB/s of user time, first pass`);
  console.log('text        MB   millrace   tiktoken   gpt-tok.   x tiktoken   x gpt-tokenizer');
  for (const kind of kinds.length > 0 ? kinds : KINDS) {
    const records = corpus(kind, bytes);
    const ours = fresh(encoding);
    const racers: Record<string, Count> = {
      millrace: (text) => ours.countText(text),
      tiktoken: (text) => truth.encode(text, [], []).length,
      'gpt-tokenizer': (text) => countTokens(text, plain),
    };
    const { ms, wrong } = interleave(records, racers);
    const mb = utf8Bytes(records) / 1e6;
    const speed = (name: string) => mb / (ms[name]! / 1000);
    const times = (name: string) => ms[name]! / ms.millrace!;
    const columns = [
      kind.padEnd(8),
      mb.toFixed(1).padStart(6),
      ...Object.keys(racers).map((name) => speed(name).toFixed(2).padStart(10)),
      times('tiktoken').toFixed(1).padStart(12),
      times('gpt-tokenizer').toFixed(1).padStart(17),
    ];
    console.log(columns.join(' '), wrong === 0 ? '' : `  ${wrong} records differ from tiktoken`);
    results.push({ kind, mb, ms, wrong });
  }
  for (const unit of [' ', '\n', 'a']) {
    const ours = fresh(encoding);
    const spent = userMs(() => ours.countText(unit.repeat(1e6)));
    console.log(`1 MB of ${JSON.stringify(unit)}: ${spent.toFixed(0)} ms`);
    results.push({ kind: `1 MB of ${JSON.stringify(unit)}`, ms: spent });
  }
  const file = join(import.meta.dirname, 'results', `count-${encoding}.json`);
  mkdirSync(dirname(file), { recursive: true });
  const measured = { date: new Date().toISOString(), node: process.version, encoding, results };
  writeFileSync(file, `${JSON.stringify(measured, null, 2)}\n`);
}

function interleave(records: readonly string[], racers: Record<string, Count>) {
  const ms: Record<string, number> = {};
  let wrong = 0;
  for (let at = 0; at < records.length; at += SLICE_RECORDS) {
    const slice = records.slice(at, at + SLICE_RECORDS);
    const counts: Record<string, number[]> = {};
    for (const [name, count] of Object.entries(racers)) {
      const spent = userMs(() => {
        counts[name] = slice.map(count);
      });
      ms[name] = (ms[name] ?? 0) + spent;
    }
    slice.forEach((_, i) => {
      if (counts.millrace![i] !== counts.tiktoken![i]) wrong += 1;
    });
  }
  return { ms, wrong };
}

function differential(bytes: number): void {
  const records = corpus('mixed', bytes);
  const random = seededRandom(7);
  const fuzz = Array.from({ length: 100_000 }, () => soup(random));
  for (const encoding of ['o200k_base', 'cl100k_base'] as const) {
    const truth = get_encoding(encoding);
    const ours = fresh(encoding);
    const bad = (text: string) => truth.encode(text, [], []).length !== ours.countText(text);
    const wrong = records.filter(bad).length;
    const text = `${wrong} of ${records.length} records (${(utf8Bytes(records) / 1e6).toFixed(0)} MB)`;
    console.log(
      `${encoding}: ${text} and ${fuzz.filter(bad).length} of ${fuzz.length} fuzz strings differ`,
    );
    truth.free();
  }
}

/** A short string of characters from everywhere, with what the splitting patterns look for. */
function soup(random: () => number): string {
  const below = (n: number) => Math.floor(random() * n);
  const special = [
    "'s",
    "'LL",
    "'ſ",
    ' ',
    '  ',
    '\n',
    '\r\n',
    '\u0085',
    '\ufeff',
    '/',
    '12',
    '<|endoftext|>',
  ];
  let text = '';
  for (let left = 1 + below(12); left > 0; left--) {
    const kind = below(6);
    if (kind === 0) text += special[below(special.length)];
    else if (kind === 1) text += String.fromCodePoint(below(0x110000));
    else if (kind === 2) text += String.fromCharCode(below(0x10000));
    else if (kind === 3) text += String.fromCharCode(below(0x3000));
    else text += String.fromCharCode(32 + below(95)).repeat(1 + below(3));
  }
  return text;
}

function fresh(encoding: Encoding): ExactEncoding {
  return new ExactEncoding(encoding, encoding === 'o200k_base' ? splitO200k : splitCl100k);
}

function userMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}
