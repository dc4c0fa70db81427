import type { ResultRow } from '../core/result.ts';
import type { Sink } from '../core/sink.ts';
import { type AnswerShape, answerNames, flatValues, shapeOf } from './answer-columns.ts';
import type { LineSink } from './line-sink.ts';
import type { ByteTarget } from './target.ts';
import { TextBlock } from './text-block.ts';

/** One result row a line, as JSON. */
export class NdjsonSink implements LineSink {
  readonly #block: TextBlock;

  constructor(target: ByteTarget) {
    this.#block = new TextBlock(target);
  }

  write(row: ResultRow): void | Promise<void> {
    return this.#block.text(`${JSON.stringify(row)}\n`);
  }

  writeLine(line: Uint8Array): void | Promise<void> {
    return this.#block.line(line);
  }

  writeLines(lines: Uint8Array): void | Promise<void> {
    return this.#block.bytes(lines);
  }

  close(): Promise<void> {
    return this.#block.close();
  }

  abort(): Promise<void> {
    return this.#block.abort();
  }
}

/**
 * One flat object a line: the record's own fields as they are, then the answer's. A record that is
 * not an object stands under `record`. An answer's name is prefixed `answer_` where the record, or
 * one of the given columns, has it already.
 */
export class FlatNdjsonSink implements Sink {
  readonly #block: TextBlock;
  readonly #columns: readonly string[];
  /** Null: each row tells. */
  readonly #answers: AnswerShape | null;

  constructor(target: ByteTarget, columns: readonly string[], answers: AnswerShape | null = null) {
    this.#block = new TextBlock(target);
    this.#columns = columns;
    this.#answers = answers;
  }

  write(row: ResultRow): void | Promise<void> {
    const fields = recordFields(row.record);
    const taken = new Set([...this.#columns, ...Object.keys(fields)]);
    const shape = this.#answers ?? shapeOf([row]);
    const values = flatValues(row, shape);
    const answer = answerNames(taken, shape).map((name, index) => [name, values[index]]);
    return this.#block.text(`${JSON.stringify({ ...fields, ...Object.fromEntries(answer) })}\n`);
  }

  close(): Promise<void> {
    return this.#block.close();
  }

  abort(): Promise<void> {
    return this.#block.abort();
  }
}

/** A record as named fields. */
export function recordFields(record: unknown): Readonly<Record<string, unknown>> {
  if (record === null || record === undefined) return {};
  if (typeof record === 'object' && !Array.isArray(record)) {
    return record as Record<string, unknown>;
  }
  return { record };
}
