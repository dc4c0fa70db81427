// The records of the benchmarks: real text of the machine's packages (corpus.ts), cut into records of
// log-normal length by a seed, about a tenth of them with characters that NDJSON writes as \u.

import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../src/core/clock.ts';
import { corpus } from '../corpus.ts';
import type { Input } from './harness.ts';

export const DATA = join(import.meta.dirname, '..', 'data');

export type Format = 'csv' | 'ndjson' | 'json';

export interface BenchRecord {
  id: string;
  title: string;
  text: string;
  category: string;
  score: number;
  created: string;
}

const MEAN_CHARS = 850;
const SIGMA = 1;
const POOL_BYTES = 64e6; // 64 MB of text, cut anew for every record
const CATEGORIES = ['mail', 'manual', 'source', 'catalogue', 'other'];

/** `100m`, `1g`, `10g`, `512k`: bytes of the records' text, roughly; the file is a little larger. */
export function parseSize(size: string): number {
  const [, number, unit] = /^([\d.]+)([kmg])$/i.exec(size) ?? [];
  const factor = { k: 1e3, m: 1e6, g: 1e9 }[unit?.toLowerCase() ?? ''];
  if (number === undefined || factor === undefined) throw new Error(`what size is ${size}?`);
  return Number(number) * factor;
}

/** The file of that size and format; made when it is not there. */
export async function dataFile(format: Format, size: string): Promise<Input> {
  const path = join(DATA, `mixed-${size}.${format}`);
  if (!existsSync(path)) await make(path, format, parseSize(size));
  return { path, bytes: statSync(path).size };
}

/** Records without end, the same ones every time. */
export function* records(seed = 1): Generator<BenchRecord> {
  const random = seededRandom(seed);
  const pool = corpus('mixed', POOL_BYTES);
  for (let n = 0; ; n++) {
    const wanted = lengthOf(random);
    let text = '';
    while (text.length < wanted) text += pool[Math.floor(random() * pool.length)];
    const from = Math.floor(random() * (text.length - wanted));
    // Never between the two halves of a character.
    text = text
      .slice(from, from + wanted)
      .toWellFormed()
      .replaceAll('\0', ' ');
    yield {
      id: `doc-${n}`,
      title: text.slice(0, 40).toWellFormed().replaceAll(/\s+/g, ' '),
      text,
      category: CATEGORIES[Math.floor(random() * CATEGORIES.length)]!,
      score: Math.round(random() * 1000) / 10,
      created: new Date(1.6e12 + n * 60_000).toISOString(),
    };
  }
}

function lengthOf(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random());
  const mu = Math.log(MEAN_CHARS) - SIGMA ** 2 / 2;
  return Math.max(20, Math.min(60_000, Math.round(Math.exp(mu + SIGMA * normal))));
}

async function make(path: string, format: Format, bytes: number): Promise<void> {
  process.stderr.write(`making ${path}\n`);
  mkdirSync(DATA, { recursive: true });
  const out = createWriteStream(`${path}.part`, { highWaterMark: 4 * 1024 * 1024 });
  let written = 0;
  let block = HEADS[format];
  let n = 0;
  for (const record of records()) {
    if (written + block.length > bytes) break;
    block += format === 'csv' ? csvRow(record) : jsonRow(record, format, n);
    n++;
    if (block.length < 1 << 20) continue;
    written += Buffer.byteLength(block);
    if (!out.write(block)) await once(out, 'drain');
    block = '';
  }
  out.end(format === 'json' ? `${block}\n]\n` : block);
  await once(out, 'finish');
  renameSync(`${path}.part`, path);
}

const HEADS: Record<Format, string> = {
  csv: 'id,title,text,category,score,created\n',
  ndjson: '',
  json: '[\n',
};

function csvRow({ id, title, text, category, score, created }: BenchRecord): string {
  return `${id},${quoted(title)},${quoted(text)},${category},${score},${created}\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function jsonRow(record: BenchRecord, format: Format, n: number): string {
  let json = JSON.stringify(record);
  if (n % 10 === 0) json = json.replace(/[^\0-\x7f]/g, asEscape);
  return format === 'json' ? `${n === 0 ? '' : ',\n'}${json}` : `${json}\n`;
}

function asEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
