import { BLOCK_BYTES, readBlocks } from '../streams/blocks.ts';
import { type BoundaryScan, CsvBoundaries, LineBoundaries } from './boundaries.ts';
import { delimiterByte } from './csv-dialect.ts';
import type { SourceDescription } from './description.ts';
import { rawMemory } from './raw/memory.ts';

const MIB = 1024 * 1024;
const MIN_PARTITION_BYTES = 32 * MIB;
const MAX_PARTITION_BYTES = 1024 * MIB; // 1 GiB
const PARTITIONS_WANTED = 16;

/** A part of a source that one worker prepares. */
export interface SourcePartition {
  readonly start: number;
  /** Offset behind its last record; null for a source that is read whole. */
  readonly end: number | null;
  /** Records in it, those that will be rejected included; null when they are not counted. */
  readonly records: number | null;
}

/** Bytes that a partition of a source should have: a sixteenth, within 32 MiB and 1 GiB. */
export function partitionBytes(sourceBytes: number): number {
  const part = Math.ceil(sourceBytes / PARTITIONS_WANTED);
  return Math.min(Math.max(part, MIN_PARTITION_BYTES), MAX_PARTITION_BYTES);
}

/** How many parts `cutPartitions` will make, or one more where records are long. */
export function likelyPartitions(source: SourceDescription, size?: number): number {
  const { bytes, seekable } = source;
  if (!seekable || bytes === null) return 1;
  return Math.max(1, Math.ceil(bytes / (size ?? partitionBytes(bytes))));
}

/**
 * Cuts a source at record boundaries and counts the records of each part, in one pass at the speed
 * of the disk. Sources that cannot be jumped into are one part, uncounted. There is always at least
 * one part.
 */
export async function cutPartitions(
  source: SourceDescription,
  options: { size?: number; signal?: AbortSignal | undefined } = {},
): Promise<SourcePartition[]> {
  if (!source.seekable || source.path === null) return [{ start: 0, end: null, records: null }];
  const size = options.size ?? partitionBytes(source.bytes ?? 0);
  const scan = boundaryScan(source, size);
  const memory = rawMemory();
  const area = memory.take(2 * BLOCK_BYTES);
  try {
    const blocks = readBlocks(source.path, {
      start: source.start,
      // What was appended since the source was described belongs to nobody.
      end: source.bytes,
      room: area === null ? undefined : memory.bytes.subarray(area.start, area.end),
      signal: options.signal,
    });
    for await (const block of blocks) scan.push(block);
  } finally {
    memory.give(area);
  }
  let start = source.start;
  return scan.finish().map((cut) => {
    const part = { start, end: cut.end, records: cut.records };
    start = cut.end;
    return part;
  });
}

function boundaryScan(source: SourceDescription, size: number): BoundaryScan {
  if (source.format !== 'csv') return new LineBoundaries(source.maxRecordBytes, source.start, size);
  const delimiter = delimiterByte(source.delimiter ?? ',');
  return new CsvBoundaries(delimiter, source.newline ?? 'lf', source.start, size);
}
