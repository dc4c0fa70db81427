/** The service's own names of a batch's states, in one spelling; the wire may write them otherwise. */
export type BatchStatus =
  | 'validating'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

export const TERMINAL: ReadonlySet<BatchStatus> = new Set([
  'completed',
  'failed',
  'expired',
  'cancelled',
]);

/** One entry of a batch's `errors.data`. `line` counts from 1. */
export interface ValidationError {
  readonly code: string;
  readonly message: string;
  readonly line: number | null;
  readonly param: string | null;
}

/** What one pass over an input file found. It does not depend on the batch that will use it. */
export interface FileFacts {
  /** Lines that are not blank. */
  readonly requests: number;
  /** True input tokens of all requests. */
  readonly tokens: number;
  /** Characters of prompt text, for the header that counts characters. */
  readonly characters: number;
  /** Of the first request that has one, or null. */
  readonly model: string | null;
  /** Of the first request that has one, without `/v1`, or null. */
  readonly url: string | null;
  /** In the order of the lines; the first ones only. */
  readonly errors: readonly ValidationError[];
}

/** A file of the service. Times in ms since the epoch. */
export interface FileRecord {
  readonly id: string;
  readonly filename: string;
  readonly bytes: number;
  readonly purpose: string;
  readonly status: 'pending' | 'processed' | 'error';
  readonly createdAt: number;
  /** When a pending file may become processed. */
  readonly readyAt: number;
  readonly expiresAt: number | null;
  /** Lists do not show it before; calls by its id do. */
  readonly visibleAt: number;
  /** False when the bytes are not there, although the file is named. */
  readonly content: boolean;
  /** Null for what is not batch input, and until the file was read. */
  readonly facts: FileFacts | null;
}

/** How far the answers of a batch are written: where a restart goes on. */
export interface Progress {
  /** Requests answered, in the batch's own order of answering. */
  readonly position: number;
  readonly outputBytes: number;
  readonly errorBytes: number;
  readonly completed: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export const NO_PROGRESS: Progress = {
  position: 0,
  outputBytes: 0,
  errorBytes: 0,
  completed: 0,
  failed: 0,
  inputTokens: 0,
  outputTokens: 0,
};

/** How long the phases of one batch take, in ms of the service's own time (before `speed`). */
export interface Plan {
  readonly validating: number;
  readonly running: number;
  readonly finalizing: number;
  readonly cancelling: number;
}

/** How a batch ends if not by being completed. */
export interface Fate {
  /** `stalled` never ends by itself. */
  readonly end: 'failed' | 'expired' | 'cancelled' | 'stalled';
  /** Part of its requests that is answered first, 0 to 1. */
  readonly share: number;
  /** For `expired`: not before its 24 h are over. */
  readonly late?: boolean;
  /** Of a failed one. */
  readonly errors: readonly ValidationError[];
}

/** Where a batch reads and writes when it has a blob for its input. */
export interface BlobFacts {
  readonly input: string;
  /** Of the input when the batch was made; null when it could not be read. */
  readonly etag: string | null;
  /** Why it cannot be used, or null. */
  readonly refusal: ValidationError | null;
  readonly output: string;
  readonly error: string;
}

/** A batch of the service. Times in ms since the epoch. */
export interface BatchRecord {
  readonly id: string;
  /** Counts from 1 in the order of creation. */
  readonly number: number;
  readonly inputFileId: string;
  /** Absent for a batch of files. The input is copied under `inputFileId` while the batch lives. */
  readonly blob?: BlobFacts;
  readonly endpoint: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly status: BatchStatus;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When each state was entered. */
  readonly times: Partial<Record<BatchStatus, number>>;
  readonly plan: Plan;
  /** Drawn when it was made: by a fault, or because 24 h will not be enough. */
  readonly fate: Fate | null;
  /** Files that it will not name, and whether what it names is there: faults. */
  readonly withheld: readonly ('output' | 'error')[];
  readonly lostContent: boolean;
  /** Lists do not show it before; calls by its id do. */
  readonly visibleAt: number;
  /** When the present phase is over, at the earliest. */
  readonly dueAt: number;
  /** The deployment that its tokens are charged to, or null when the file names none. */
  readonly deployment: string | null;
  /** Tokens as the service counts them: charged from acceptance until the batch is terminal. */
  readonly tokens: number;
  /** False for a batch that was accepted only to fail with `token_limit_exceeded`. */
  readonly charged: boolean;
  /** What its input file held, whatever becomes of the file; null when there was none. */
  readonly facts: FileFacts | null;
  /** Null until it is validated. */
  readonly requests: number | null;
  readonly progress: Progress;
  readonly errors: readonly ValidationError[];
  /** Ids that the files will have if they come to be. */
  readonly outputName: string;
  readonly errorName: string;
  /** Null until the file exists. */
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** Seconds that the output files live, or null for ever. */
  readonly outputLifeSeconds: number | null;
}
