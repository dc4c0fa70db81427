/** Where a record starts in its source. */
export interface Position {
  /** The file's path as it was given, or `<stdin>`, `<records>`. */
  readonly source: string;
  /** Counts from 1; a CSV's header is not a row. */
  readonly row: number;
  /** Offset of the record's first byte in the source's text (decompressed), or -1 if it has none. */
  readonly byte: number;
}

/** Why a record could not become a request, or why a row failed. */
export interface RowError {
  /** Stable: the service's own, or one of ours such as `ragged_row`. */
  readonly code: string;
  /** In words for people; of a rejected record it names the place. */
  readonly message: string;
}

/** One record on its way from a source: the user's value and where it came from. */
export class SourceRecord<T> {
  readonly record: T;
  readonly position: Position;

  constructor(record: T, position: Position) {
    this.record = record;
    this.position = position;
  }
}

/**
 * A record that cannot become a request. It flows through every later stage untouched, keeps its
 * ordinal, and ends as a row of status `rejected`.
 */
export class RejectedRecord {
  /** What could be read of it: the fields of a ragged row, a short excerpt of a bad line, or null. */
  readonly record: unknown;
  readonly position: Position;
  readonly error: RowError;
  readonly customId: string | null;

  constructor(
    record: unknown,
    position: Position,
    error: RowError,
    customId: string | null = null,
  ) {
    this.record = record;
    this.position = position;
    this.error = error;
    this.customId = customId;
  }
}

/** What a parser yields. */
export type SourceItem<T> = SourceRecord<T> | RejectedRecord;
