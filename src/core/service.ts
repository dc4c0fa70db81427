import type { BatchObject, FileObject } from './batch.ts';
import type { Endpoint } from './request.ts';

/** How one kind of service differs from the others: data, not branches. */
export interface Dialect {
  readonly name: 'azure' | 'azure-v1' | 'openai';
  /** Put before the endpoint in a line's `url`: empty or `/v1`. */
  readonly lineUrlPrefix: '' | '/v1';
  readonly maxRequestsPerFile: number;
  /** Bytes of one input file. */
  readonly maxFileBytes: number;
  /** Input files that one resource holds. */
  readonly maxFiles: number;
  /** What the service counts for one true input token when it adds up enqueued tokens. */
  readonly enqueuedTokenFactor: number;
  /** Whether answers lie in the user's own storage, and go with their input. Default: the service's. */
  readonly answersAreOurs?: boolean;
}

export interface OpenUpload {
  /**
   * Let chunks share memory: each may change once the third one after it is asked for. For who sends
   * or copies a chunk before he asks for many more. Default false: every chunk is the caller's to keep.
   */
  readonly shared?: boolean;
}

/** A file to send. */
export interface Upload {
  /** Ends in `.jsonl`. */
  readonly name: string;
  /** Exact length in bytes of what `open` gives. */
  readonly bytes: number;
  /** Called again for each try, so the source must be re-readable. */
  open(options?: OpenUpload): AsyncIterable<Uint8Array>;
}

/** The body of a file at the service, streamed. */
export interface Download {
  /** Bytes still to come, or null when the service does not say. */
  readonly length: number | null;
  /** Offset of the first byte: 0 when the service does not honour a range. */
  readonly offset: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What the service says of the deployment's queue in the headers of a create. */
export interface QueueReading {
  readonly enqueuedTokens: number | null;
  readonly maximumEnqueuedTokens: number | null;
}

/**
 * One resource of a Batch API. Every call retries what is safe to retry (timeouts, 408, 409, 429,
 * 5xx, with `retry-after`), except `createBatch`, which is sent once. Failures are `ServiceError`s.
 */
export interface BatchService {
  /** Names the resource in the store and the log: origin and path, no secret. */
  readonly resource: string;
  readonly dialect: Dialect;
  /** Sends the whole file; a retry sends the whole file again. */
  uploadFile(upload: Upload, signal?: AbortSignal): Promise<FileObject>;
  getFile(id: string, signal?: AbortSignal): Promise<FileObject>;
  /** Every batch input file, page by page. */
  listFiles(signal?: AbortSignal): AsyncIterable<FileObject>;
  /** Resolves also when the file is gone already. */
  deleteFile(id: string, signal?: AbortSignal): Promise<void>;
  /** The file from byte `offset`. */
  downloadFile(id: string, offset: number, signal?: AbortSignal): Promise<Download>;
  /**
   * Asks once, never again by itself: a lost answer may have made a batch. Throws a ServiceError
   * whose `outcome` tells a definite refusal from an unknown end.
   */
  createBatch(batch: NewBatch, signal?: AbortSignal): Promise<CreatedBatch>;
  getBatch(id: string, signal?: AbortSignal): Promise<BatchObject>;
  /**
   * Every batch of the resource, newest first where the service sorts; pages as it is pulled. A
   * `filter` (OData) spares pages where the version has one; others give every batch all the same.
   */
  listBatches(signal?: AbortSignal, filter?: string): AsyncIterable<BatchObject>;
  cancelBatch(id: string, signal?: AbortSignal): Promise<BatchObject>;
  close(): Promise<void>;
}

export interface NewBatch {
  readonly inputFileId: string;
  readonly endpoint: Endpoint;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface CreatedBatch {
  readonly batch: BatchObject;
  readonly queue: QueueReading;
}

/**
 * A short-lived token for a scope. Any object with this shape is a credential; those of
 * `@azure/identity` have it.
 */
export interface TokenCredential {
  /** `expiresOnTimestamp` in ms since 1970. */
  getToken(
    scopes: string | string[],
    options?: { abortSignal?: AbortSignal },
  ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

/** A resource, a deployment on it, and the quota that the two have. Shards are bound to one. */
export interface Target {
  /** Unique in a job; `default` when there is only one. */
  readonly name: string;
  /** The client of the resource. Close it when the last job is done: `target.service.close()`. */
  readonly service: BatchService;
  /** Written as `model` into every line on the way up; null keeps the job's own. */
  readonly deployment: string | null;
  /** Enqueued tokens that the deployment admits, as the service counts them; null when unknown. */
  readonly enqueuedTokens: number | null;
  /** Its share beside the other targets of a job: multiplies its quota. Default 1. */
  readonly weight?: number;
  /** What its calls are authorised by, in words, as far as it is known yet. Never a secret. */
  readonly credential?: () => string;
}
