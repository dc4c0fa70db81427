import { type FileHandle, open } from 'node:fs/promises';
import { BLOCK_BYTES, readBlocks } from '../streams/blocks.ts';
import {
  type BoundaryScan,
  CsvBoundaries,
  type Cut,
  LineBoundaries,
  type PieceBytes,
} from './boundaries.ts';
import { delimiterByte } from './csv-dialect.ts';
import type { SourceDescription } from './description.ts';
import { rawMemory } from './raw/memory.ts';

const MIB = 1024 * 1024;
const MIN_PARTITION_BYTES = 32 * MIB;
const MAX_PARTITION_BYTES = 1024 * MIB; // 1 GiB
const PARTITIONS_WANTED = 16;
/** The last pieces of a source are no smaller than such a part of a partition. */
const LEAST_PIECE = 1 / 16;
const LINE_BLOCK_BYTES = 64 * 1024; // 64 KiB
const LF = 10;

/** A part of a source that one worker prepares. */
export interface SourcePartition {
  readonly start: number;
  /** Offset behind its last record; null for a source that is read whole. */
  readonly end: number | null;
  /** Records in it, those that will be rejected included; null when they are not counted (yet). */
  readonly records: number | null;
}

/** Bytes that a partition of a source should have: a sixteenth, within 32 MiB and 1 GiB. */
export function partitionBytes(sourceBytes: number): number {
  const part = Math.ceil(sourceBytes / PARTITIONS_WANTED);
  return Math.min(Math.max(part, MIN_PARTITION_BYTES), MAX_PARTITION_BYTES);
}

/**
 * Parts of `size`, and towards the end halves of what is left: whoever is done first takes the next, and
 * no worker is left with a large part while the others have nothing to do. Not where the whole is two
 * parts or less.
 */
function piecesOf(start: number, end: number, size: number): PieceBytes {
  if (end - start <= 2 * size) return () => size;
  return (from) => {
    const half = Math.ceil((end - from) / 2);
    return half < size * LEAST_PIECE ? size : Math.min(half, size);
  };
}

/** How many parts `cutPartitions` will make, or fewer where records are long. */
export function likelyPartitions(source: SourceDescription, size?: number): number {
  const { bytes, seekable, start } = source;
  if (!seekable || bytes === null) return 1;
  const piece = piecesOf(start, bytes, size ?? partitionBytes(bytes));
  let parts = 0;
  for (let from = start; from < bytes; from += piece(from)) parts++;
  return Math.max(1, parts);
}

/**
 * Cuts a source at record boundaries. Lines are cut by looking only where a part may end, and counted
 * when `countRecords` is asked; a CSV is read once, and its records are counted on the way. Sources
 * that cannot be jumped into are one part, uncounted. There is always at least one part.
 */
export async function cutPartitions(
  source: SourceDescription,
  options: { size?: number; signal?: AbortSignal | undefined } = {},
): Promise<SourcePartition[]> {
  const { path, bytes, seekable } = source;
  if (!seekable || path === null || bytes === null) {
    return [{ start: 0, end: null, records: null }];
  }
  const size = options.size ?? partitionBytes(bytes);
  // What was appended since the source was described belongs to nobody.
  const whole = { start: source.start, end: bytes };
  const piece = piecesOf(whole.start, whole.end, size);
  if (source.format !== 'csv') return cutLines(path, whole, piece);
  const delimiter = delimiterByte(source.delimiter ?? ',');
  const scan = new CsvBoundaries(delimiter, source.newline ?? 'lf', source.start, piece);
  let start = source.start;
  return (await scanned(path, whole, scan, options.signal)).map(({ end, records }) => {
    const part = { start, end, records };
    start = end;
    return part;
  });
}

/** Counts the records of a part that was cut but not counted, at the speed of the disk. */
export async function countRecords(
  { path, maxRecordBytes }: SourceDescription,
  { start, end }: Pick<SourcePartition, 'start' | 'end'>,
  signal?: AbortSignal,
): Promise<number | null> {
  if (path === null || end === null) return null;
  const scan = new LineBoundaries(maxRecordBytes, start, () => Number.POSITIVE_INFINITY);
  const [part] = await scanned(path, { start, end }, scan, signal);
  return part?.records ?? 0;
}

async function scanned(
  path: string,
  range: { readonly start: number; readonly end: number },
  scan: BoundaryScan,
  signal: AbortSignal | undefined,
): Promise<readonly Cut[]> {
  const memory = rawMemory();
  const area = memory.take(2 * BLOCK_BYTES);
  try {
    const room = area === null ? undefined : memory.bytes.subarray(area.start, area.end);
    for await (const block of readBlocks(path, { ...range, room, signal })) scan.push(block);
  } finally {
    memory.give(area);
  }
  return scan.finish();
}

async function cutLines(
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
  piece: PieceBytes,
): Promise<SourcePartition[]> {
  const parts: SourcePartition[] = [];
  const file = await open(path, 'r');
  try {
    let from = start;
    while (from + piece(from) < end) {
      const next = await behindLine(file, from + piece(from) - 1, end);
      parts.push({ start: from, end: next, records: null });
      from = next;
    }
    if (from < end || parts.length === 0) parts.push({ start: from, end, records: null });
  } finally {
    await file.close();
  }
  return parts;
}

/** Offset behind the next line end at or behind `from`, or `end`. */
async function behindLine(file: FileHandle, from: number, end: number): Promise<number> {
  const block = Buffer.allocUnsafe(LINE_BLOCK_BYTES);
  for (let at = from; at < end; ) {
    const wanted = Math.min(block.length, end - at);
    const { bytesRead } = await file.read(block, 0, wanted, at);
    if (bytesRead === 0) break;
    const found = block.subarray(0, bytesRead).indexOf(LF);
    if (found !== -1) return at + found + 1;
    at += bytesRead;
  }
  return end;
}
