import { readFile } from 'node:fs/promises';
import { type Random, seededRandom } from '../core/clock.ts';
import { BLANK } from './scan.ts';

/** Neighbouring lines that are read in one go and answered together. */
const WINDOW_LINES = 256;
const WINDOW_BYTES = 1024 * 1024; // 1 MiB, unless one line is longer

/** One request of a window: where its line lies in the window's bytes. */
export interface Slot {
  /** Counts from 1, blank lines included. */
  readonly line: number;
  readonly offset: number;
  readonly bytes: number;
  readonly tokens: number;
}

/** A run of lines of the input file. `slots` stand in the order of answering. */
export interface Window {
  readonly offset: number;
  readonly bytes: number;
  readonly slots: readonly Slot[];
}

/**
 * The order in which a batch answers, from the index beside its input file. Windows are shuffled,
 * and the lines in each, so that the file is read in large pieces and the answers still come in no
 * useful order. The same seed gives the same order, which is what lets a restart go on.
 */
export async function* answeringOrder(
  indexPath: string,
  seed: number | null,
): AsyncGenerator<Window, void, undefined> {
  const raw = await readFile(indexPath);
  const index = new Uint32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  const bounds = windowBounds(index);
  const random = seed === null ? null : seededRandom(seed);
  if (random !== null) shuffle(bounds, random);
  for (const bound of bounds) {
    const slots = slotsOf(index, bound);
    if (random !== null) shuffle(slots, random);
    yield { offset: bound.offset, bytes: bound.bytes, slots };
  }
}

interface Bound {
  readonly first: number;
  readonly lines: number;
  readonly offset: number;
  readonly bytes: number;
}

function windowBounds(index: Uint32Array): Bound[] {
  const bounds: Bound[] = [];
  const total = index.length / 2;
  let first = 0;
  let offset = 0;
  let bytes = 0;
  for (let line = 0; line < total; line += 1) {
    const length = index[line * 2] ?? 0;
    const lines = line - first;
    if (lines > 0 && (lines === WINDOW_LINES || bytes + length > WINDOW_BYTES)) {
      bounds.push({ first, lines, offset, bytes });
      first = line;
      offset += bytes;
      bytes = 0;
    }
    bytes += length;
  }
  if (total > first) bounds.push({ first, lines: total - first, offset, bytes });
  return bounds;
}

function slotsOf(index: Uint32Array, { first, lines }: Bound): Slot[] {
  const slots: Slot[] = [];
  let offset = 0;
  for (let line = first; line < first + lines; line += 1) {
    const bytes = index[line * 2] ?? 0;
    const tokens = index[line * 2 + 1] ?? 0;
    if (tokens !== BLANK) slots.push({ line: line + 1, offset, bytes, tokens });
    offset += bytes;
  }
  return slots;
}

function shuffle<T>(items: T[], random: Random): void {
  for (let at = items.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const held = items[at] as T;
    items[at] = items[other] as T;
    items[other] = held;
  }
}
