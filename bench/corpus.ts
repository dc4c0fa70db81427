// Real text for the benchmarks, from what this machine has installed: npm packages, and on Debian its
// manual pages, message catalogues and Python library. Fixed order, so that runs can be compared.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { seededRandom } from '../src/core/clock.ts';

export type Kind = 'english' | 'scripts' | 'code' | 'base64';

/** Parts of the mixed corpus. */
const MIX: Record<Kind, number> = { english: 0.6, scripts: 0.22, code: 0.15, base64: 0.03 };

const MODULES = join(import.meta.dirname, '../node_modules');

const LANGUAGES = 'ja,zh_CN,zh_TW,ru,uk,ko,el,hi,ar,he,th,de,fr,es,pl,pt_BR,cs,tr,vi,ta';

const sources: Record<Kind, () => Generator<string>> = {
  *english() {
    yield* files('/usr/share/man/man[1-8]/*.gz');
    yield* files(`${MODULES}/**/*.md`);
    yield* files('/usr/share/doc/**/*{README,NEWS,changelog,copyright}*');
    yield* files('/usr/share/perl/**/*.pod');
  },
  *scripts() {
    const catalogues = globSync(`/usr/share/locale/{${LANGUAGES}}/LC_MESSAGES/*.mo`);
    for (const file of shuffled(catalogues)) yield translations(readFileSync(file));
    yield* files('/usr/share/man/{ja,zh_CN,zh_TW,ko,ru,uk,de,fr,pl}/man*/*.gz');
  },
  *code() {
    yield* files(`${MODULES}/**/*.{ts,mts,cts}`);
    yield* files('/usr/lib/python3*/**/*.py');
    yield* files(`${MODULES}/**/src/**/*.{js,mjs}`);
    yield* files(`${MODULES}/**/{lib,dist}/**/*.js`);
  },
  *base64() {
    const binaries = ['/usr/lib/x86_64-linux-gnu/*.so.*', `${MODULES}/**/*.wasm`];
    for (const file of globSync(binaries)) {
      yield readFileSync(file).toString('base64').replace(/.{76}/g, '$&\n');
    }
  },
};

/** Records of about 1 kB, `bytes` in all, or as much as there is. */
export function corpus(kind: Kind | 'mixed', bytes: number): string[] {
  if (kind !== 'mixed') return take(sources[kind](), bytes);
  const kinds = Object.keys(MIX) as Kind[];
  return shuffled(kinds.flatMap((one) => take(sources[one](), bytes * MIX[one])));
}

export function utf8Bytes(records: readonly string[]): number {
  return records.reduce((sum, record) => sum + Buffer.byteLength(record), 0);
}

function take(texts: Iterable<string>, bytes: number): string[] {
  const records: string[] = [];
  let left = bytes;
  for (const text of texts) {
    for (let at = 0; at < text.length; ) {
      const line = text.indexOf('\n', at + 700);
      const end = line === -1 || line > at + 2000 ? Math.min(at + 1000, text.length) : line;
      const record = text.slice(at, end);
      records.push(record);
      left -= Buffer.byteLength(record);
      if (left <= 0) return records;
      at = end;
    }
  }
  return records;
}

function* files(pattern: string): Generator<string> {
  // A vocabulary is no text.
  const exclude = (name: string) => name.endsWith('gpt-tokenizer') || name.endsWith('tiktoken');
  for (const file of shuffled(globSync(pattern, { exclude }))) {
    const bytes = readFileSync(file);
    const plain = file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    // What is binary after all is left out.
    if (!plain.subarray(0, 4096).includes(0)) yield plain.toString('utf8');
  }
}

/** The translated strings of a gettext catalogue, little endian. */
function translations(file: Buffer): string {
  if (file.length < 20 || file.readUInt32LE(0) !== 0x950412de) return '';
  const texts: string[] = [];
  const table = file.readUInt32LE(16);
  for (let i = 0; i < file.readUInt32LE(8); i++) {
    const length = file.readUInt32LE(table + 8 * i);
    const start = file.readUInt32LE(table + 8 * i + 4);
    texts.push(file.toString('utf8', start, start + length));
  }
  return texts.join('\n');
}

function shuffled<T>(items: readonly T[]): T[] {
  const random = seededRandom(1);
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}
