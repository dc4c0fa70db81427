// Real text for the benchmarks, from what this machine has installed: npm packages, and on Debian its
// documentation, manual pages, message catalogues, headers and Python library. Fixed order, no file
// twice, so that runs can be compared. More of it, and more languages, from packages unpacked (`apt-get
// download NAME`, `dpkg -x`) into bench/data/text: gnome-user-docs, installation-guide-amd64,
// debian-handbook, developers-reference, wordnet-base, dict-gcide, dict-foldoc, bible-kjv-text,
// fortunes, fortunes-ru, fortunes-zh, manpages-LANGUAGE, libreoffice-l10n-LANGUAGE.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { globSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { seededRandom } from '../src/core/clock.ts';

export type Kind = 'english' | 'scripts' | 'code' | 'base64';

/** Parts of the mixed corpus. */
const MIX: Record<Kind, number> = { english: 0.6, scripts: 0.22, code: 0.15, base64: 0.03 };

const MODULES = join(import.meta.dirname, '../node_modules');
const ROOTS = `{,${join(import.meta.dirname, 'data/text')}}`;

const LANGUAGES =
  '{ja,zh,zh_CN,zh-CN,zh_TW,ru,uk,ko,el,hi,ar,he,th,de,fr,es,pl,pt_BR,pt-BR,it,cs,tr,vi,ta,sr}';

/** Of a longer file only so much is taken: a dictionary must not be the whole English language. */
const MAX_FILE_BYTES = 1024 * 1024; // 1 MiB

const patterns: Record<Kind, readonly string[]> = {
  english: [
    `${ROOTS}/usr/share/man/man[1-8]/!(gcloud*).gz`,
    `${ROOTS}/usr/share/doc/**/*{README,NEWS,changelog,copyright,.txt}*`,
    `${ROOTS}/usr/share/doc/**/{en,en-US}/**/*.html`,
    `${ROOTS}/usr/share/help/C/**/*.page`,
    `${ROOTS}/usr/share/{dictd,wordnet,games/fortunes}/*{.dz,data.*,[a-z]}`,
    '/usr/share/perl/**/*.pod',
    `${MODULES}/**/*.md`,
  ],
  scripts: [
    `${ROOTS}/usr/share/locale/${LANGUAGES}/LC_MESSAGES/*.mo`,
    `${ROOTS}/usr/lib/libreoffice/program/resource/*/LC_MESSAGES/*.mo`,
    `${ROOTS}/usr/share/man/${LANGUAGES}/man*/*.gz`,
    `${ROOTS}/usr/share/help/${LANGUAGES}/**/*.page`,
    `${ROOTS}/usr/share/doc/**/${LANGUAGES}/*.html`,
    `${ROOTS}/usr/share/games/fortunes/{ru,zh}/*`,
  ],
  code: [
    '/usr/lib/python3*/**/*.py',
    '/usr/share/perl/**/*.p[lm]',
    `/usr/include/**/*.{h,hpp}`,
    `${MODULES}/**/{src,lib,dist}/**/*.{js,mjs,cjs}`,
    `${MODULES}/**/*.ts`,
  ],
  base64: ['/usr/{bin,lib/x86_64-linux-gnu}/*', `${MODULES}/**/*.wasm`],
};

/** Records of about 1 kB, `bytes` in all, or as much as there is. */
export function corpus(kind: Kind | 'mixed', bytes: number): string[] {
  if (kind !== 'mixed') return take(texts(kind), bytes);
  const kinds = Object.keys(MIX) as Kind[];
  return shuffled(kinds.flatMap((one) => take(texts(one), bytes * MIX[one])));
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

function* texts(kind: Kind): Generator<string> {
  // A vocabulary is no text.
  const exclude = (name: string) => name.endsWith('gpt-tokenizer') || name.endsWith('tiktoken');
  const seen = new Set<string>();
  for (const path of shuffled(globSync(patterns[kind], { exclude }))) {
    if (!lstatSync(path).isFile()) continue;
    const file = readFileSync(path);
    const hash = createHash('sha1').update(file).digest('base64');
    if (seen.has(hash)) continue;
    seen.add(hash);
    yield text(kind, path, file);
  }
}

function text(kind: Kind, path: string, file: Buffer): string {
  if (kind === 'base64') {
    return file.toString('base64', 0, MAX_FILE_BYTES).replace(/.{76}/g, '$&\n');
  }
  if (path.endsWith('.mo')) return translations(file);
  const plain = /\.(gz|dz)$/.test(path) ? gunzipSync(file) : file;
  // What is binary, or not UTF-8, after all is left out.
  if (!isUtf8(plain) || plain.includes(0)) return '';
  const all = plain.toString('utf8', 0, MAX_FILE_BYTES);
  return /\.(html|page)$/.test(path) ? all.replace(/<[^>]*>|^\s+/gm, '') : all;
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
