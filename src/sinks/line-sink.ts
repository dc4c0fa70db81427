import type { Sink } from '../core/sink.ts';

/** A sink that also takes rows as lines of bytes: the fast path, with the same output. */
export interface LineSink extends Sink {
  /** One row's JSON without its newline; the bytes are copied. Await a promise before the next call. */
  writeLine(line: Uint8Array): void | Promise<void>;
  /** Many rows, each with its newline; the bytes are free again once it resolves. */
  writeLines(lines: Uint8Array): void | Promise<void>;
}

/** Whether rows can go to the sink as they lie in the result files. */
export function isLineSink(sink: Sink): sink is LineSink {
  return 'writeLines' in sink && typeof sink.writeLines === 'function';
}
