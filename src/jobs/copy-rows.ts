import type { ResultRow } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';
import { linesOf } from '../join/line-blocks.ts';
import { arrivalRuns, mergeRuns, type ResultFile, type RowRun } from '../join/merge.ts';
import { isLineSink } from '../sinks/line-sink.ts';

/** By ordinal, or as the shards were joined. */
export type RowOrder = 'source' | 'arrival';

/** Writes the rows of result files to a sink, and closes it; lines go as they are where it takes them. */
export async function copyRows(
  files: readonly ResultFile[],
  sink: Sink,
  { order = 'source', signal }: { order?: RowOrder | undefined; signal?: AbortSignal | undefined },
): Promise<number> {
  let rows = 0;
  let writing: Promise<void> = Promise.resolve();
  try {
    const released = () => writing.catch(() => undefined);
    for await (const run of resultRuns(files, order, released)) {
      signal?.throwIfAborted();
      rows += run.rows;
      if (isLineSink(sink)) {
        // A run stays valid while the next one is made: it is written meanwhile.
        await writing;
        writing = Promise.resolve(sink.writeLines(run.buffer.subarray(run.start, run.end)));
        writing.catch(() => undefined);
        continue;
      }
      for (const line of linesOf(run)) {
        const written = sink.write(JSON.parse(line.toString('utf8')) as ResultRow);
        if (written !== undefined) await written;
      }
    }
    await writing;
  } catch (error) {
    await writing.catch(() => undefined);
    await sink.abort();
    throw error;
  }
  await sink.close();
  return rows;
}

/**
 * All final rows in the order of the sources or of arrival, in runs of lines; a run is valid until
 * the second next one is asked for. With that one its file may end, whose memory goes to the next file
 * once `released` resolves: nobody looks at the runs given so far. Default: at once.
 */
export function resultRuns(
  files: readonly ResultFile[],
  order: RowOrder,
  released = () => Promise.resolve(),
): AsyncIterable<RowRun> {
  const reuse = { reuse: true, released };
  return order === 'source'
    ? mergeRuns(files, reuse)
    : arrivalRuns(
        files.map(({ path }) => path),
        reuse,
      );
}
