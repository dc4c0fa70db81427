import { readFile } from 'node:fs/promises';
import { type Random, seededRandom } from '../core/clock.ts';
import { INDEX_WIDTH } from './scan.ts';

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

/** A run of entries of the index. */
interface Bound {
  readonly first: number;
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

function windowBounds(index: Uint32Array): Bound[] {
  const bounds: Bound[] = [];
  const total = index.length / INDEX_WIDTH;
  let first = 0;
  let offset = 0;
  let end = 0;
  for (let entry = 0; entry < total; entry += 1) {
    const { offset: start, bytes } = slotAt(index, entry);
    const count = entry - first;
    // What lies between two requests is blank, and may be long.
    if (count > 0 && (count === WINDOW_LINES || start + bytes - offset > WINDOW_BYTES)) {
      bounds.push({ first, count, offset, bytes: end - offset });
      first = entry;
    }
    if (entry === first) offset = start;
    end = start + bytes;
  }
  if (total > first) bounds.push({ first, count: total - first, offset, bytes: end - offset });
  return bounds;
}

function slotsOf(index: Uint32Array, { first, count, offset }: Bound): Slot[] {
  return Array.from({ length: count }, (_none, at) => {
    const slot = slotAt(index, first + at);
    return { ...slot, offset: slot.offset - offset };
  });
}

/** An entry of the index; its offset is that in the file. */
function slotAt(index: Uint32Array, entry: number): Slot {
  const [offset = 0, bytes = 0, line = 0, tokens = 0] = index.subarray(
    entry * INDEX_WIDTH,
    (entry + 1) * INDEX_WIDTH,
  );
  return { line, offset, bytes, tokens };
}

function shuffle<T>(items: T[], random: Random): void {
  for (let at = items.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const held = items[at] as T;
    items[at] = items[other] as T;
    items[other] = held;
  }
}
