import type { Writable } from 'node:stream';
import type { ResultRow } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';
import { abortable } from '../streams/stage.ts';
import { createSink, parseOutputName, type SinkOptions } from './create-sink.ts';
import { sinkOf } from './writable.ts';

/** Rows written, by status. */
export interface WrittenResults {
  readonly rows: number;
  readonly ok: number;
  readonly failed: number;
  readonly rejected: number;
}

/** What `pipeline()` accepts as its last step. */
export type ResultsWriter = (
  rows: AsyncIterable<ResultRow>,
  options?: { signal?: AbortSignal | undefined },
) => Promise<WrittenResults>;

/**
 * The end of a pipeline of rows: writes them to a file by its name, to a Writable, or to a sink of
 * your own. When the rows fail or the signal aborts, nothing becomes visible.
 *
 * ```ts
 * await pipeline(joinResults(job, batches), writeResults('labels.csv.gz'));
 * ```
 */
export function writeResults(
  out: string | Writable | Sink,
  options: SinkOptions = {},
): ResultsWriter {
  if (typeof out === 'string') parseOutputName(out);
  return async (rows, { signal } = {}) => {
    const sink = openSink(out, options);
    const counts = { rows: 0, ok: 0, failed: 0, rejected: 0 };
    try {
      for await (const row of abortable(rows, signal)) {
        const written = sink.write(row);
        if (written !== undefined) await written;
        counts.rows++;
        counts[row.status]++;
      }
    } catch (error) {
      await sink.abort();
      throw error;
    }
    await sink.close();
    return counts;
  };
}

function openSink(out: string | Writable | Sink, options: SinkOptions): Sink {
  if (typeof out === 'string') return createSink(out, options);
  return sinkOf(out);
}
