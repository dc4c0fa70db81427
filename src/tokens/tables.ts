import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { loadKernel, type SharedKernelMemory, sharedKernelMemory } from '../streams/kernel.ts';
import { loadClasses } from './classes.ts';
import { baseEncoding } from './encoder.ts';
import {
  BLOCKS,
  CLAIMED,
  FINE,
  GOES_ON,
  KINDS,
  MIDDLE,
  PADDING,
  PLACES,
  SECONDS,
  SHAPES,
  SMALL,
  STARTS,
  TABLES_END,
  TEXT,
  TRIE,
} from './layout.ts';
import { type ModelTable, modelInfo } from './models.ts';
import { kinds, wordRules } from './words.ts';

/** Texts that are longer get a memory of their own. What is not used of it takes no room. */
const ROOM_BYTES = 8 * 1024 * 1024; // 8 MiB
const PAGE_BYTES = 64 * 1024; // 64 KiB

/** The functions of the kernel; src/tokens/kernel/index.ts has them. All numbers are addresses or bytes. */
export interface CountingKernel {
  build(file: number, ends: number): number;
  count(region: number, size: number, stack: number, dead: number, cl100k: boolean): number;
}

/**
 * All that is known of an encoding beforehand, about 8 MB of it, and regions to count in. It goes to
 * another thread with a message and without a copy.
 */
export interface EncodingTables {
  readonly name: 'o200k_base' | 'cl100k_base';
  readonly memory: SharedKernelMemory;
  /** How many regions there are. */
  readonly regions: number;
  /** The most bytes of a text. */
  readonly room: number;
}

/** A part of the memory that is one counter's own; in bytes. */
export interface Region {
  readonly start: number;
  /** Behind the text: room for the tokens of a long piece, and for its dead places. */
  readonly stack: number;
  readonly dead: number;
}

let given: EncodingTables | null = null;

/** Loads an encoding, with regions for so many counters. */
export function loadTables(
  name: EncodingTables['name'],
  regions = 1,
  room = ROOM_BYTES,
): EncodingTables {
  const { bytes } = regionLayout(room);
  const memory = sharedKernelMemory(TABLES_END + regions * bytes);
  const buffer = Buffer.from(memory.buffer);
  const { blocks, fine } = loadClasses();
  const places = Buffer.from(Uint16Array.from(blocks).buffer);
  // The kernel's numbers are little-endian everywhere.
  buffer.set(endianness() === 'BE' ? places.swap16() : places, BLOCKS);
  buffer.set(fine, FINE);
  const { starts, seconds, goesOn, shapes } = wordRules(name);
  buffer.set(starts, STARTS);
  buffer.set(seconds, SECONDS);
  buffer.set(goesOn, GOES_ON);
  buffer.set(kinds, KINDS);
  buffer.set(shapes, SHAPES);
  readInto(buffer, TRIE, `${name}-trie.bin`);
  readInto(buffer, PLACES, `${name}-places.bin`);
  // What is unpacked lies in the first region, which is empty yet, and is gone afterwards.
  const file = TABLES_END + SMALL;
  const ends = TABLES_END + MIDDLE;
  readInto(buffer, file, `${name}.bin`);
  const tokens = openKernel(memory).build(file, ends);
  buffer.fill(0, file, ends + 2 * tokens);
  return { name, memory, regions, room };
}

/** Tables of a model's encoding, for so many threads. */
export function modelTables(baseModel: string, table: ModelTable, threads: number): EncodingTables {
  return loadTables(baseEncoding(modelInfo(baseModel, table).encoding), threads);
}

/** Takes the tables that another thread loaded, for the next counters of their encoding; null: no more. */
export function giveTables(tables: EncodingTables | null): void {
  given = tables;
}

/** Tables with a region for a new counter: those that were given, else its own. */
export function claimRegion(
  name: EncodingTables['name'],
  room = ROOM_BYTES,
): { tables: EncodingTables; region: Region } {
  if (given?.name === name && given.room >= room) {
    const region = claim(given);
    if (region !== null) return { tables: given, region };
  }
  const tables = loadTables(name, 1, room);
  return { tables, region: claim(tables)! };
}

/** The next region that nobody has, or null. */
function claim({ memory, regions, room }: EncodingTables): Region | null {
  const claimed = new Int32Array(memory.buffer, CLAIMED, 1);
  const index = Atomics.add(claimed, 0, 1);
  if (index >= regions) return null;
  const { bytes, stack, dead } = regionLayout(room);
  const start = TABLES_END + index * bytes;
  return { start, stack: start + stack, dead: start + dead };
}

/** Behind the text, 32 bits for each of its bytes, then one bit. */
function regionLayout(room: number): { stack: number; dead: number; bytes: number } {
  const stack = pages(TEXT + room + PADDING);
  const dead = pages(stack + 4 * room);
  return { stack, dead, bytes: pages(dead + room / 8 + PADDING) };
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

export function openKernel(memory: SharedKernelMemory): CountingKernel {
  return loadKernel(new URL('./data/kernel.wasm', import.meta.url), memory);
}

/** Reads a file of this module's data into the memory as it lies. */
function readInto(buffer: Buffer, start: number, name: string): void {
  const file = openSync(new URL(`./data/${name}`, import.meta.url), 'r');
  try {
    const { size } = fstatSync(file);
    for (let at = 0; at < size; ) {
      const read = readSync(file, buffer, start + at, size - at, at);
      if (read === 0) throw new Error(`${name} ends after ${at} of ${size} bytes: install again`);
      at += read;
    }
  } finally {
    closeSync(file);
  }
}
