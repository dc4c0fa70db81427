// Makes the binary files of src/tokens/data from gpt-tokenizer's rank files, this engine's Unicode
// tables and tiktoken. Run it again when an encoding is added; the tests hold the files to their sources.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { get_encoding } from 'tiktoken';

const require = createRequire(import.meta.url);
const out = (name) => fileURLToPath(new URL(`../src/tokens/data/${name}`, import.meta.url));

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

const TOKEN_BITS = 18;
const SPREAD = 0x9e3779b97f4a7c15n;
const GROUPS_LOG = 16;
const PAIRS_LOG = 18;

/**
 * A place of its own for every merge, as src/tokens/kernel/pairs.ts finds it: the hash of its two
 * tokens tells its group, and the group's byte where in the table its merges go.
 */
function packPlaces(tokens) {
  const ranks = new Map(tokens.map((bytes, rank) => [bytes, rank]));
  const groups = Array.from({ length: 1 << GROUPS_LOG }, (_, group) => ({ group, merges: [] }));
  for (let rank = 256; rank < tokens.length; rank++) {
    const [left, right] = halves(tokens[rank], rank, ranks);
    const key = BigInt(left) | (BigInt(right | (1 << TOKEN_BITS)) << BigInt(TOKEN_BITS));
    const hash = BigInt.asUintN(64, key * SPREAD);
    const bits = (from, count) => Number((hash >> BigInt(from)) & ((1n << BigInt(count)) - 1n));
    groups[bits(48, GROUPS_LOG)].merges.push([bits(30, PAIRS_LOG), bits(12, PAIRS_LOG) | 1]);
  }
  const file = new Uint8Array(groups.length);
  const taken = new Uint8Array(1 << PAIRS_LOG);
  // The largest groups first, while there is most room.
  groups.sort((a, b) => b.merges.length - a.merges.length);
  for (const { group, merges } of groups) {
    for (let step = 0; ; step++) {
      if (step > 255) throw new Error(`no place for a group of ${merges.length} merges`);
      const places = merges.map(([first, by]) => (first + step * by) & ((1 << PAIRS_LOG) - 1));
      if (new Set(places).size < places.length || places.some((place) => taken[place])) continue;
      for (const place of places) taken[place] = 1;
      file[group] = step;
      break;
    }
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

/**
 * Every token as a path of bytes through cells, as src/tokens/kernel/long.ts reads them: two little-endian
 * i32 a cell, the byte and where its children begin; then the token or -1.
 */
function packTrie(tokens) {
  const root = { children: new Map(), token: -1 };
  tokens.forEach((bytes, rank) => {
    let node = root;
    for (const char of bytes) {
      const byte = char.charCodeAt(0);
      if (!node.children.has(byte)) node.children.set(byte, { children: new Map(), token: -1 });
      node = node.children.get(byte);
    }
    node.token = rank;
  });
  const cells = new Cells();
  cells.place(root, 0);
  return cells.pack();
}

class Cells {
  /** By place: the first free place from there on, as far as is known. */
  #free = [];
  #nodes = [];
  #begins = new Set();

  /** Places the children of a node side by side by their bytes, as near behind it as they fit. */
  place(node, at) {
    const bytes = [...node.children.keys()].sort((a, b) => a - b);
    if (bytes.length === 0) return;
    let begin = 0;
    for (let to = this.#nextFree(at); ; to = this.#nextFree(to + 1)) {
      begin = to - bytes[0];
      // No two nodes begin at one place: so a child's byte alone tells whose child it is.
      if (begin < 0 || this.#begins.has(begin)) continue;
      if (bytes.every((byte) => this.#nodes[begin + byte] === undefined)) break;
    }
    this.#begins.add(begin);
    node.begin = begin;
    for (const byte of bytes) {
      this.#nodes[begin + byte] = { byte, node: node.children.get(byte) };
      this.#free[begin + byte] = begin + byte + 1;
    }
    for (const byte of bytes) this.place(node.children.get(byte), begin + byte);
  }

  #nextFree(from) {
    let at = from;
    while (this.#free[at] !== undefined) at = this.#free[at];
    for (let each = from; each < at; ) {
      const next = this.#free[each];
      this.#free[each] = at;
      each = next;
    }
    return at;
  }

  pack() {
    // Childless nodes point behind all others, where no byte is.
    const size = this.#nodes.length + 256;
    const file = Buffer.alloc(8 * size);
    for (let at = 0; at < size; at++) {
      const cell = this.#nodes[at];
      const begin = cell?.node.begin ?? this.#nodes.length;
      file.writeInt32LE(cell === undefined ? 0 : (begin << 9) | 0x100 | cell.byte, 8 * at);
      file.writeInt32LE(cell?.node.token ?? -1, 8 * at + 4);
    }
    return file;
  }
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

for (const name of ['o200k_base', 'cl100k_base']) {
  const tokens = readRanks(name);
  writeFileSync(out(`${name}.bin`), packMerges(tokens));
  writeFileSync(out(`${name}-trie.bin`), packTrie(tokens));
  writeFileSync(out(`${name}-places.bin`), packPlaces(tokens));
}
writeFileSync(out('classes.bin'), packClasses(classify()));
