import { MillraceError, UsageError } from '../core/errors.ts';
import { type Position, RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { EachOf } from '../streams/batches.ts';
import { abortable, type Stage, wiredWrongly } from '../streams/stage.ts';

/** Bytes that one record may have unless told otherwise: well above what one request may hold. */
const DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024; // 16 MiB

/** The most that may be asked for: a record becomes one text, of which the engine holds 512 MiB. */
const MOST_RECORD_BYTES = 256 * 1024 * 1024; // 256 MiB

/** Bytes that one record may have. Throws a UsageError when that is more than can be read. */
export function recordLimit(given: number = DEFAULT_MAX_RECORD_BYTES): number {
  if (given <= MOST_RECORD_BYTES) return given;
  throw new UsageError(
    `--max-record-bytes (maxRecordBytes) is ${given}; a record may have ${MOST_RECORD_BYTES} (256MiB) at most`,
  );
}

/** Objects and arrays inside one another; deeper records overflow the stack of what writes JSON. */
export const MAX_DEPTH = 1000;

/**
 * Parsers are given their input in pieces that stay in the processor's cache, and that leave room in a
 * kernel's memory for a record that began before.
 */
const PIECE_BYTES = 128 * 1024; // 128 KiB

/** What every parser takes. */
export interface ParserOptions {
  /** Names the source in positions and messages. Default `<stream>`. */
  readonly source?: string;
  /** Throw at the first record that cannot be read instead of yielding it as rejected. Default false. */
  readonly strict?: boolean;
  /** A longer record is rejected as `record_too_large`. Bytes; default 16 MiB. */
  readonly maxRecordBytes?: number;
  /** Where in the source the first chunk begins: a record's start. Default its beginning. */
  readonly startAt?: StartAt;
}

/** A record boundary in a source. */
export interface StartAt {
  /** Offset of the next record's first byte (or of empty lines before it). */
  readonly byte: number;
  /** Records before it, the rejected included. */
  readonly row: number;
}

/**
 * A parser without any input or output: chunks of bytes in, records out. Bytes are UTF-8; others
 * throw a MillraceError `invalid_encoding` that names the offset.
 */
export abstract class RecordParser<T> {
  /**
   * The records that end in this chunk, or for null, the end of the input, those still open. Each is
   * made when it is asked for, so that no more of them live than are in use; take all before the
   * next call, with the chunk unchanged until then.
   */
  abstract read(chunk: Uint8Array | null): Iterable<SourceItem<T>>;
  /** Where reading can go on behind all that was read, or null when it cannot. */
  abstract readonly boundary: StartAt | null;

  /** Gives back what it took to read; nothing can be read any more. */
  close(): void {}

  /** The records that end in this chunk, all at once. */
  push(chunk: Uint8Array): SourceItem<T>[] {
    return [...this.read(chunk)];
  }

  /** The end of the input: the records that were still open. */
  flush(): SourceItem<T>[] {
    return [...this.read(null)];
  }
}

/** A parser as a stage. Strings are taken as UTF-8. */
export function parserStage<T>(
  make: () => RecordParser<T>,
  strict: boolean,
): Stage<Uint8Array, SourceItem<T>> {
  return (source, options) => {
    const chunks: AsyncIterable<Uint8Array | string> = abortable(source, options?.signal);
    return new EachOf(readItems(chunks, make(), strict), options?.signal);
  };
}

/**
 * The records of each piece of the input, which are made as they are taken; throws at a rejected one if
 * `strict`. Closes the parser.
 */
export async function* readItems<T>(
  chunks: AsyncIterable<Uint8Array | string>,
  parser: RecordParser<T>,
  strict: boolean,
): AsyncGenerator<Iterable<SourceItem<T>>, void, undefined> {
  const given = (items: Iterable<SourceItem<T>>) => (strict ? allAccepted(items) : items);
  try {
    for await (const chunk of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
      if (!(bytes instanceof Uint8Array)) throw wiredWrongly('a parser', 'bytes or text', chunk);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        yield given(parser.read(bytes.subarray(at, at + PIECE_BYTES)));
      }
    }
    yield given(parser.read(null));
  } finally {
    parser.close();
  }
}

function* allAccepted<T>(items: Iterable<SourceItem<T>>): Generator<SourceItem<T>> {
  for (const item of items) yield accepted(item);
}

/** The item; throws its error when it is a rejected record. */
export function accepted<T>(item: SourceItem<T>): SourceRecord<T> {
  if (item instanceof SourceRecord) return item;
  throw new MillraceError(item.error.code, item.error.message);
}

/** `reviews.csv, row 7, byte 1234`: the head of every message about a record. */
export function where(position: Position): string {
  return position.byte < 0
    ? `${position.source}, row ${position.row}`
    : `${position.source}, row ${position.row}, byte ${position.byte}`;
}

/** A record that was skipped because of its length. */
export function tooLarge(position: Position, maxRecordBytes: number): RejectedRecord {
  return new RejectedRecord(null, position, {
    code: 'record_too_large',
    message: `${where(position)}: the record is longer than ${maxRecordBytes} bytes; look for a quote or line end that is missing, or raise --max-record-bytes`,
  });
}

/** A record that is nested deeper than MAX_DEPTH. */
export function tooDeep(position: Position): RejectedRecord {
  return new RejectedRecord(null, position, {
    code: 'too_deep',
    message: `${where(position)}: the record is nested deeper than ${MAX_DEPTH} levels; flatten it`,
  });
}
