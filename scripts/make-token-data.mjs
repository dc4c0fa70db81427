// Makes the binary files of src/tokens/data from gpt-tokenizer's rank files, this engine's Unicode
// tables and tiktoken. Run it again when an encoding is added; the tests hold the files to their sources.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { get_encoding } from 'tiktoken';

const require = createRequire(import.meta.url);
const out = (name) => fileURLToPath(new URL(`../src/tokens/data/${name}`, import.meta.url));

for (const name of ['o200k_base', 'cl100k_base']) {
  const tokens = readRanks(name);
  writeFileSync(out(`${name}.bin`), packMerges(tokens));
  writeFileSync(out(`${name}-order.bin`), packOrder(tokens));
}
writeFileSync(out('classes.bin'), packClasses(classify()));

/** The tokens of a rank file, by rank, each as a latin1 string of its bytes. */
function readRanks(name) {
  const path = require.resolve(`gpt-tokenizer/data/${name}.tiktoken`);
  const tokens = [];
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    if (line === '') continue;
    const [bytes, rank] = line.split(' ');
    tokens[Number(rank)] = Buffer.from(bytes, 'base64').latin1Slice();
  }
  return tokens;
}

/**
 * Every token above the single bytes is the merge of two tokens of lower rank. Layout, little endian:
 * u32 count of tokens; 256 bytes, the byte of each of the ranks 0 to 255; then for the others the
 * low 16 bits of all left halves, those of all right halves, and their bits 16 and 17, four bits a
 * token: left in bits 0 and 1, right in bits 2 and 3, even tokens in the low half of a byte.
 */
function packMerges(tokens) {
  const ranks = new Map(tokens.map((bytes, rank) => [bytes, rank]));
  const merges = tokens.length - 256;
  const file = Buffer.alloc(4 + 256 + 4 * merges + Math.ceil(merges / 2));
  file.writeUInt32LE(tokens.length, 0);
  for (let rank = 0; rank < 256; rank++) {
    if (tokens[rank].length !== 1) throw new Error(`rank ${rank} is not a single byte`);
    file.writeUInt8(tokens[rank].charCodeAt(0), 4 + rank);
  }
  for (let i = 0; i < merges; i++) {
    const [left, right] = halves(tokens[256 + i], 256 + i, ranks);
    file.writeUInt16LE(left & 0xffff, 260 + 2 * i);
    file.writeUInt16LE(right & 0xffff, 260 + 2 * merges + 2 * i);
    file[260 + 4 * merges + (i >> 1)] |= ((left >> 16) | ((right >> 16) << 2)) << (4 * (i & 1));
  }
  return file;
}

function halves(bytes, rank, ranks) {
  const parts = [...bytes];
  for (;;) {
    let at = -1;
    let best = rank;
    for (let i = 0; i + 1 < parts.length; i++) {
      const merged = ranks.get(parts[i] + parts[i + 1]);
      if (merged !== undefined && merged < best) [at, best] = [i, merged];
    }
    if (at < 0) break;
    parts.splice(at, 2, parts[at] + parts[at + 1]);
  }
  if (parts.length !== 2) throw new Error(`token ${rank} is not made by merges of lower ranks`);
  return parts.map((part) => ranks.get(part));
}

/** All ranks in the order of their bytes: the low 16 bits, little endian, then bits 16 and 17, four a byte. */
function packOrder(tokens) {
  const order = tokens.map((bytes, rank) => [bytes, rank]);
  order.sort(([a], [b]) => (a < b ? -1 : 1));
  const file = Buffer.alloc(2 * order.length + Math.ceil(order.length / 4));
  order.forEach(([, rank], i) => {
    file.writeUInt16LE(rank & 0xffff, 2 * i);
    file[2 * order.length + (i >> 2)] |= (rank >> 16) << (2 * (i & 3));
  });
  return file;
}

/** The class of every code point, in the numbers of src/tokens/classes.ts. */
function classify() {
  const tests = [
    [1, /^[\p{Lu}\p{Lt}]$/u],
    [2, /^\p{Ll}$/u],
    [3, /^[\p{Lm}\p{Lo}]$/u],
    [4, /^\p{M}$/u],
    [5, /^\p{N}$/u],
    [6, /^\p{White_Space}$/u],
  ];
  const tiktoken = get_encoding('o200k_base');
  const ids = (text) => tiktoken.encode(text, [], []);
  const here = ids('here')[0];
  const digits = ids('345')[0];
  const classes = new Uint8Array(0x110000);
  for (let code = 0; code < classes.length; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const char = String.fromCodePoint(code);
    let found = tests.find(([, pattern]) => pattern.test(char))?.[0] ?? 0;
    if (char === '\r' || char === '\n') found = 7;
    // The engine may know a newer Unicode than tiktoken. After a letter or mark 't is a contraction,
    // and three digits are a piece: the last token tells whether tiktoken sees the same.
    if (found >= 1 && found <= 4 && ids(`${char}'there`).at(-1) !== here) found = 0;
    if (found === 5 && ids(`${char}12345`).at(-1) !== digits) found = 0;
    classes[code] = found;
  }
  tiktoken.free();
  return classes;
}

/** Runs of one class: the class in the low three bits, the length above, as a little-endian varint. */
function packClasses(classes) {
  const bytes = [];
  for (let start = 0, at = 1; at <= classes.length; at++) {
    if (classes[at] === classes[start]) continue;
    let value = (at - start) * 8 + classes[start];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    bytes.push(value);
    start = at;
  }
  return Buffer.from(bytes);
}
