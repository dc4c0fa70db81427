import { readBlocks } from '../streams/blocks.ts';
import { type BoundaryScan, CsvBoundaries, LineBoundaries } from './boundaries.ts';
import { delimiterByte } from './csv-dialect.ts';
import type { SourceDescription } from './description.ts';

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
  const blocks = readBlocks(source.path, {
    start: source.start,
    // What was appended since the source was described belongs to nobody.
    end: source.bytes,
    signal: options.signal,
  });
  for await (const block of blocks) scan.push(block);
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
