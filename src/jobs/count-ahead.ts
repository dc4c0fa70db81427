import type { Partition } from '../core/job.ts';
import { countRecords } from '../sources/partitions.ts';
import type { OpenSource } from './sources.ts';

/**
 * Counts the partitions of `rows` that were only cut, in their order, so that those behind them can
 * begin while they are prepared: their records are put into `rows`, and `counted` is told. The last one
 * is before nobody.
 */
export async function countAhead(
  rows: Partition[],
  sources: readonly OpenSource[],
  counted: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (let index = 0; index < rows.length - 1; index++) {
    const { state, source, records, start, end } = rows[index]!;
    const description = sources[source]?.description ?? null;
    if (state === 'prepared' || records !== null || description?.seekable !== true) continue;
    const found = await countRecords(description, { start, end }, signal);
    const row = rows[index]!;
    if (row.state !== 'prepared') rows[index] = { ...row, records: found };
    counted();
  }
}
