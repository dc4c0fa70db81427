import type { ResultRow } from '../core/result.ts';
import { damaged } from './damaged.ts';
import { deferredRows, type RowsBlock } from './deferred-rows.ts';
import { type LineBlockOptions, linesIfThere, linesOf } from './line-blocks.ts';
import { indexOfResults } from './paths.ts';
import { RowIndex } from './row-index.ts';

/**
 * The rows of one result file as blocks of whole lines, those among them that its index defers. A
 * file that does not exist has none: a shard all of whose rows were left over writes no file.
 */
export async function* resultBlocks(
  path: string,
  options: LineBlockOptions = {},
): AsyncGenerator<RowsBlock, void, undefined> {
  const index = await RowIndex.read(indexOfResults(path));
  if (index === null) yield* linesIfThere(path, options);
  else yield* deferredRows(path, index, options);
}

/** The rows of one result file, parsed. Throws `damaged_result` for a line that is not a row. */
export async function* readRows<T = unknown, O = unknown>(
  path: string,
): AsyncGenerator<ResultRow<T, O>, void, undefined> {
  let number = 0;
  for await (const block of resultBlocks(path)) {
    for (const line of linesOf(block)) {
      number++;
      yield parseRow<T, O>(line, path, number);
    }
  }
}

/** One row from its line; `where` names the file for the error. */
export function parseRow<T = unknown, O = unknown>(
  line: Buffer,
  where: string,
  number?: number,
): ResultRow<T, O> {
  try {
    return JSON.parse(line.toString('utf8')) as ResultRow<T, O>;
  } catch (error) {
    // The parser's own words would quote the record.
    const code = error instanceof SyntaxError ? 'not JSON' : 'not readable';
    throw damaged(where, number, code);
  }
}
