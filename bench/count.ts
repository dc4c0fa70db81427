// Question: how much faster than gpt-tokenizer as it comes and than tiktoken (WASM) are exact counts
// of real text on one core, first pass, caches of words cold? All three have counted other text of the
// same kind before, so that their code is compiled, and then forgotten its words: what is timed is the
// middle of a job and not its start. Interleaved slices, user time of each process, so that neither a
// busy machine nor the order decides. Every count is compared with tiktoken's.
//
//   npm run bench -- count [SIZE] [KIND...] [--encoding cl100k_base]
//   npm run bench -- count [SIZE] --differential    exactness only, both encodings, and fuzz
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { get_encoding } from 'tiktoken';
import { seededRandom } from '../src/core/clock.ts';
import { exactEncoding } from '../src/tokens/exact.ts';
import { corpus, type Kind, utf8Bytes } from './corpus.ts';
import { RESULTS } from './lib/harness.ts';

type Encoding = 'o200k_base' | 'cl100k_base';
type Count = (text: string) => number;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    encoding: { type: 'string', default: 'o200k_base' },
    differential: { type: 'boolean', default: false },
  },
});

/** Short ones would make the quickest pay for the caches that the slow ones emptied in between. */
const SLICE_RECORDS = 20_000; // about 16 MB
/** Of other text, to compile the code by. */
const WARM_RECORDS = 5_000; // about 4 MB
const NAMES = ['millrace', 'tiktoken', 'gpt-tokenizer'];
const KINDS = ['mixed', 'english', 'scripts', 'code', 'base64'] as const;

const size = positionals.find((word) => /^\d/.test(word));
const bytes = Number.parseFloat(size ?? (options.differential ? '200' : '50')) * 1e6;
const kinds = KINDS.filter((kind) => positionals.includes(kind));

/** One contender to a process, each given the same slice in its turn: no garbage of one is paid by another. */
async function race(encoding: Encoding): Promise<void> {
  console.log(`${encoding}, node ${process.version}; MB/s of user time, first pass`);
  console.log('text        MB   millrace   tiktoken   gpt-tok.   x tiktoken   x gpt-tokenizer');
  const results = [];
  for (const kind of kinds.length > 0 ? kinds : KINDS) {
    const racers = NAMES.map((name) => new Racer([name, encoding, kind, String(bytes)]));
    const mb = (await Promise.all(racers.map((racer) => racer.ready)))[0]! / 1e6;
    const answers = new Set<string>();
    for (let slice = 0; racers[0]!.more; slice++) {
      for (const racer of racers) await racer.run(slice);
    }
    for (const racer of racers.slice(0, 2)) answers.add(racer.hash());
    for (const racer of racers) racer.end();
    const [ours, truth, plain] = racers.map((racer) => racer.ms);
    const columns = [
      kind.padEnd(8),
      mb.toFixed(1).padStart(6),
      ...racers.map((racer) => ((mb / racer.ms) * 1000).toFixed(2).padStart(10)),
      (truth! / ours!).toFixed(1).padStart(12),
      (plain! / ours!).toFixed(1).padStart(17),
    ];
    console.log(columns.join(' '), answers.size === 1 ? '' : '  differs from tiktoken');
    results.push({ kind, mb, ms: { ours, truth, plain }, equal: answers.size === 1 });
  }
  for (const unit of [' ', '\n', 'a']) {
    const ours = exactEncoding(encoding);
    const ms = userMs(() => ours.countText(unit.repeat(1e6)));
    console.log(`1 MB of ${JSON.stringify(unit)}: ${ms.toFixed(0)} ms`);
    results.push({ kind: `1 MB of ${JSON.stringify(unit)}`, ms });
  }
  save(encoding, results);
}

/** Puts one part of the answer beside the others in the file of results. */
function save(part: string, results: unknown): void {
  const file = join(RESULTS, 'count.json');
  mkdirSync(RESULTS, { recursive: true });
  const parts = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  parts[part] = { date: new Date().toISOString(), node: process.version, results };
  writeFileSync(file, `${JSON.stringify(parts, null, 2)}\n`);
}

/** What a contender's process says of a slice. */
interface Turn {
  readonly ms: number;
  readonly counts: number[];
  readonly more: boolean;
}

class Racer {
  ms = 0;
  more = true;
  /** Bytes of the corpus, once it is built and the encoding is loaded. */
  readonly ready: Promise<number>;
  readonly #counts: number[] = [];
  readonly #process: ChildProcess;

  constructor(args: readonly string[]) {
    this.#process = fork(import.meta.filename, args, { env: { ...process.env, RACER: '1' } });
    this.ready = once(this.#process, 'message').then(([size]) => size as number);
  }

  async run(slice: number): Promise<void> {
    this.#process.send(slice);
    const [turn] = (await once(this.#process, 'message')) as [Turn];
    this.ms += turn.ms;
    this.more = turn.more;
    this.#counts.push(...turn.counts);
  }

  hash(): string {
    return createHash('sha256').update(this.#counts.join(' ')).digest('hex');
  }

  end(): void {
    this.#process.kill();
  }
}

async function contend(name: string, encoding: Encoding, kind: Kind | 'mixed', size: number) {
  const all = corpus(kind, size + WARM_RECORDS * 1000);
  const warm = all.slice(0, WARM_RECORDS);
  const records = all.slice(WARM_RECORDS);
  const contender = await contenders[name]!(encoding);
  const first = contender();
  for (const text of warm) first(text);
  const count = contender();
  process.on('message', (slice: number) => {
    const part = records.slice(slice * SLICE_RECORDS, (slice + 1) * SLICE_RECORDS);
    let counts: number[] = [];
    const ms = userMs(() => {
      counts = part.map(count);
    });
    process.send!({ ms, counts, more: (slice + 1) * SLICE_RECORDS < records.length });
  });
  process.send!(utf8Bytes(records));
}

/** What gives a counter that remembers no words. */
const contenders: Record<string, (encoding: Encoding) => Promise<() => Count>> = {
  async millrace(encoding) {
    return () => {
      const ours = exactEncoding(encoding);
      return (text) => ours.countText(text);
    };
  },
  async tiktoken(encoding) {
    const truth = get_encoding(encoding);
    return () => (text) => truth.encode(text, [], []).length;
  },
  async 'gpt-tokenizer'(encoding) {
    const { countTokens, clearMergeCache } = await import(`gpt-tokenizer/encoding/${encoding}`);
    const plain = { disallowedSpecial: new Set<string>() };
    return () => {
      clearMergeCache();
      return (text) => countTokens(text, plain);
    };
  },
};

function differential(bytes: number): void {
  const records = corpus('mixed', bytes);
  const random = seededRandom(7);
  const fuzz = Array.from({ length: 100_000 }, () => soup(random));
  const results = [];
  for (const encoding of ['o200k_base', 'cl100k_base'] as const) {
    const truth = get_encoding(encoding);
    const ours = exactEncoding(encoding);
    let tokens = 0;
    const differs = (text: string) => {
      const count = ours.countText(text);
      tokens += count;
      return truth.encode(text, [], []).length !== count;
    };
    const wrong = records.filter(differs).length;
    const result = {
      encoding,
      mb: utf8Bytes(records) / 1e6,
      records: records.length,
      tokens,
      wrong,
      fuzz: fuzz.length,
      fuzzWrong: fuzz.filter(differs).length,
    };
    console.log(JSON.stringify(result));
    results.push(result);
    truth.free();
  }
  save('differential', results);
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

function userMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}

if (process.env.RACER !== undefined) {
  const [name, encoding, kind, racerBytes] = process.argv.slice(2);
  await contend(name!, encoding as Encoding, kind as Kind, Number(racerBytes));
} else if (options.differential) differential(bytes);
else await race(options.encoding as Encoding);
