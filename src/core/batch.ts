/** The life of a batch at the service, folded to lower case and one spelling. */
export type BatchStatus =
  | 'validating'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

export const TERMINAL_STATUSES: ReadonlySet<BatchStatus> = new Set([
  'completed',
  'failed',
  'expired',
  'cancelled',
]);

/** One entry of a batch's `errors.data`. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  /** Counts from 1 in the input file, or null when the service does not say. */
  readonly line: number | null;
  readonly param: string | null;
}

/** A batch as the client sees it, whatever dialect it was written in. */
export interface BatchObject {
  readonly id: string;
  readonly status: BatchStatus;
  /** Null when the service left it out. */
  readonly endpoint: string | null;
  /** The id of a file, or the URL of a blob; so are the two below. */
  readonly inputFileId: string | null;
  /** Null for null, absent and empty string alike. */
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** Milliseconds since the epoch, or null. */
  readonly createdAt: number | null;
  readonly endedAt: number | null;
  readonly expiresAt: number | null;
  readonly errors: readonly BatchError[];
  /** Each null when the service does not say. */
  readonly counts: {
    readonly total: number | null;
    readonly completed: number | null;
    readonly failed: number | null;
  };
  readonly metadata: Readonly<Record<string, string>>;
}

export type FileStatus =
  | 'uploaded'
  | 'pending'
  | 'running'
  | 'processed'
  | 'error'
  | 'deleting'
  | 'deleted';

/** A file at the service. */
export interface FileObject {
  readonly id: string;
  readonly name: string;
  /** Null when the service does not say. */
  readonly bytes: number | null;
  /** Null when the service does not say: unknown, not ready. */
  readonly status: FileStatus | null;
  readonly purpose: string;
  readonly createdAt: number | null;
  readonly expiresAt: number | null;
}
