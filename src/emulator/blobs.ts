import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { BlobServiceClient } from '@azure/storage-blob';
import { errorCode, MillraceError, UsageError } from '../core/errors.ts';
import { isLoopback } from './options.ts';
import type { BatchRecord, BlobFacts, FileFacts, ValidationError } from './records.ts';
import { scanFile } from './scan.ts';
import { contentPath, indexPath, type State } from './state.ts';

/** A storage account on this machine, which stands for the one that the resource's identity may use. */
export class BlobStorage {
  readonly #account: BlobServiceClient;

  private constructor(account: BlobServiceClient) {
    this.#account = account;
  }

  /**
   * Throws `package_missing` without the optional package, and a UsageError for an account that is
   * not on this machine: what is made up here is not written to a real one.
   */
  static async open(connectionString: string): Promise<BlobStorage> {
    const { BlobServiceClient } = await loadPackage();
    let account: BlobServiceClient;
    try {
      account = BlobServiceClient.fromConnectionString(connectionString);
    } catch {
      // The package's own words may show a part of the string.
      throw new UsageError('the connection string of the blob storage cannot be read');
    }
    if (isLoopback(new URL(account.url).hostname)) return new BlobStorage(account);
    throw new UsageError(
      'the blob storage is not on this machine: the emulator works with a local one, such as Azurite',
    );
  }

  /** Copies a blob into a file; its ETag and length. Null when it cannot be read. */
  async fetch(
    url: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ etag: string; bytes: number } | null> {
    const blob = this.#blob(url);
    try {
      const got = await blob?.downloadToFile(path, 0, undefined, { abortSignal: signal });
      return got?.etag === undefined ? null : { etag: got.etag, bytes: got.contentLength ?? 0 };
    } catch (error) {
      return unlessRefused(error);
    }
  }

  /** Null when it cannot be read. */
  async etag(url: string, signal: AbortSignal): Promise<string | null> {
    try {
      const found = await this.#blob(url)?.getProperties({ abortSignal: signal });
      return found?.etag ?? null;
    } catch (error) {
      return unlessRefused(error);
    }
  }

  async put(url: string, path: string, signal: AbortSignal): Promise<void> {
    await this.#blob(url)?.uploadFile(path, { abortSignal: signal });
  }

  /** Null for what lies outside the account. */
  #blob(url: string) {
    const account = `${this.#account.url.split('?')[0]?.replace(/\/+$/, '')}/`;
    if (!url.startsWith(account)) return null;
    const [container = '', ...name] = url.slice(account.length).split('/');
    if (container === '' || name.length === 0) return null;
    const path = decodeURIComponent(name.join('/'));
    return this.#account.getContainerClient(container).getBlockBlobClient(path);
  }
}

/** Copies the input of a batch to where its file would be, and reads it like one. */
export async function takeBlob(
  state: State,
  wanted: { readonly input: string; readonly folder: string },
): Promise<{ id: string; facts: FileFacts | null; blob: BlobFacts }> {
  const { closing, options } = state;
  const id = `blob-${randomUUID()}`;
  const path = contentPath(state, id);
  const answers = `${wanted.folder.replace(/\/+$/, '')}/${randomUUID()}`;
  const blob = {
    input: wanted.input,
    output: `${answers}/results.jsonl`,
    error: `${answers}/errors.jsonl`,
  };
  const found = (await state.blobs?.fetch(wanted.input, path, closing)) ?? null;
  const most = options.switches.maxBlobBytes;
  const refusal =
    found === null
      ? NO_PERMISSIONS
      : found.bytes > most
        ? failure('invalid_request', `The input blob is larger than ${most} bytes.`)
        : null;
  if (refusal !== null || found === null) {
    await rm(path, { force: true });
    return { id, facts: null, blob: { ...blob, etag: null, refusal } };
  }
  const facts = await scanFile(path, indexPath(state, id), options.switches, closing);
  return { id, facts, blob: { ...blob, etag: found.etag, refusal: null } };
}

/** Why the input of a batch cannot be used any more; empty when it is as it was, or is no blob. */
export async function checkBlob(
  state: State,
  { blob }: BatchRecord,
): Promise<readonly ValidationError[]> {
  if (blob === undefined || blob.etag === null) return [];
  const etag = (await state.blobs?.etag(blob.input, state.closing)) ?? null;
  if (etag === null) return [NO_PERMISSIONS];
  return etag === blob.etag
    ? []
    : [failure('input_modified', 'The input blob was modified after the batch was submitted.')];
}

const NO_PERMISSIONS = failure(
  'input_no_permissions',
  'The managed identity of the resource has no permission to read the input blob.',
);

function failure(code: string, message: string): ValidationError {
  return { code, message, line: null, param: null };
}

async function loadPackage(): Promise<typeof import('@azure/storage-blob')> {
  try {
    return await import('@azure/storage-blob');
  } catch (cause) {
    if (errorCode(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new MillraceError(
      'package_missing',
      'blob storage needs the package @azure/storage-blob, which is not installed: ' +
        'npm install @azure/storage-blob',
      { cause },
    );
  }
}

/** What the account refuses, or does not have, cannot be read; any other failure is thrown. */
function unlessRefused(error: unknown): null {
  const status =
    typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : null;
  if (status === 403 || status === 404) return null;
  throw error;
}
