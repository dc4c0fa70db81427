import type { ContainerClient } from '@azure/storage-blob';
import type { Clock, Random } from '../../core/clock.ts';
import { MillraceError, ServiceError } from '../../core/errors.ts';
import type { RetryPolicy } from '../../core/retry.ts';
import { backoffMs } from '../../core/retry.ts';
import type { Download, Upload } from '../../core/service.ts';
import { Deadline } from '../deadline.ts';
import { blocks, emptyDownload } from '../download.ts';
import { timedOut } from '../failure.ts';
import { wrongLength } from '../multipart.ts';
import { openContainer, redactor } from './connect.ts';
import { blobFailure } from './failure.ts';
import type { BlobAccess } from './options.ts';
import type { BlobPlace } from './place.ts';

const BLOCK_BYTES = 4 * 1024 * 1024; // 4 MiB a block: 250 of them make 1 GB
const BLOCKS_IN_FLIGHT = 4; // of one blob
const PAGE_ITEMS = 1000;

/** A blob as a list or a look at it shows it. */
export interface BlobEntry {
  /** Within the container. */
  readonly name: string;
  /** Null for a folder. */
  readonly bytes: number | null;
  readonly createdAt: number | null;
}

export interface BlobStoreOptions {
  readonly place: BlobPlace;
  readonly access: BlobAccess;
  /** Longest time of one try without a byte, in ms. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
}

/** One try on the wire: its time, and whether its reader takes it over. */
interface Try {
  readonly deadline: Deadline;
  keep(): void;
}

/**
 * The blobs of one container, with the manners of the other calls: each try has its own deadline, what
 * may pass is tried again, and failures are ServiceErrors without a secret. Names are those within
 * the container. The package is loaded at the first call.
 */
export class BlobStore {
  readonly #options: BlobStoreOptions;
  readonly #redact: (text: string) => string;
  readonly #closing = new AbortController();
  #container: Promise<ContainerClient> | undefined;

  constructor(options: BlobStoreOptions) {
    this.#options = options;
    this.#redact = redactor(options.access);
  }

  /**
   * Puts a block blob. Its blocks are sent one by one and made into the blob at the end, all at once:
   * it is there whole or not at all, and a source that fails leaves nothing.
   */
  async put(name: string, upload: Upload, signal?: AbortSignal): Promise<void> {
    const blob = (await this.#blob(name)).getBlockBlobClient();
    const call = `putting blob ${name}`;
    const ids: string[] = [];
    const open = new Set<Promise<void>>();
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const send = (id: string, block: Buffer) =>
      this.#run(call, either, async ({ deadline }) => {
        const onProgress = () => deadline.touch();
        const abortSignal = deadline.signal;
        await blob.stageBlock(id, block, block.length, { abortSignal, onProgress });
      });
    try {
      for await (const block of inBlocks(upload)) {
        const id = Buffer.from(String(ids.length).padStart(6, '0')).toString('base64');
        ids.push(id);
        // The first failure aborts the others: its error is the reason that they end with.
        const sent: Promise<void> = send(id, block)
          .catch((error: unknown) => stop.abort(error))
          .finally(() => open.delete(sent));
        open.add(sent);
        if (open.size >= BLOCKS_IN_FLIGHT) await Promise.race(open);
        either.throwIfAborted();
      }
      await Promise.all(open);
      either.throwIfAborted();
    } finally {
      stop.abort();
      await Promise.all(open);
    }
    await this.#run(call, signal, async ({ deadline }) => {
      await blob.commitBlockList(ids, {
        abortSignal: deadline.signal,
        blobHTTPHeaders: { blobContentType: 'application/jsonl' },
      });
    });
  }

  /** Throws a ServiceError of status 404 when it is not there. */
  async look(name: string, signal?: AbortSignal): Promise<BlobEntry> {
    const blob = await this.#blob(name);
    return this.#run(`looking at blob ${name}`, signal, async ({ deadline }) => {
      const found = await blob.getProperties({ abortSignal: deadline.signal });
      return {
        name,
        bytes: found.contentLength ?? null,
        createdAt: found.createdOn?.getTime() ?? null,
      };
    });
  }

  /** Blobs whose names begin so, and at a slash after that the folders that they lie in. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<BlobEntry> {
    const container = await this.#open();
    for (let from: string | undefined; ; ) {
      const page = await this.#run('listing blobs', signal, async ({ deadline }) => {
        const pages = container
          .listBlobsByHierarchy('/', {
            prefix,
            abortSignal: deadline.signal,
          })
          .byPage({ maxPageSize: PAGE_ITEMS, ...(from ? { continuationToken: from } : {}) });
        const { value } = await pages.next();
        return value;
      });
      const { blobPrefixes: folders = [], blobItems } = page?.segment ?? { blobItems: [] };
      for (const { name, properties } of blobItems) {
        yield {
          name,
          bytes: properties.contentLength ?? null,
          createdAt: properties.createdOn?.getTime() ?? null,
        };
      }
      for (const { name } of folders) {
        yield { name, bytes: null, createdAt: null };
      }
      from = page?.continuationToken;
      if (!from) return;
    }
  }

  /** Resolves also when it is gone already. */
  async delete(name: string, signal?: AbortSignal): Promise<void> {
    const blob = await this.#blob(name);
    await this.#run(`deleting blob ${name}`, signal, async ({ deadline }) => {
      await blob.deleteIfExists({ abortSignal: deadline.signal, deleteSnapshots: 'include' });
    });
  }

  /** Deletes a folder, which ends in a slash, with all that is in it. */
  async deleteFolder(name: string, signal?: AbortSignal): Promise<void> {
    for await (const entry of this.list(name, signal)) {
      if (entry.bytes === null) await this.deleteFolder(entry.name, signal);
      else await this.delete(entry.name, signal);
    }
  }

  /** The blob from byte `offset`. */
  async read(name: string, offset: number, signal?: AbortSignal): Promise<Download> {
    const blob = await this.#blob(name);
    const call = `reading blob ${name}`;
    try {
      return await this.#run(call, signal, async ({ deadline, keep }) => {
        const { readableStreamBody, contentLength } = await blob.download(offset, undefined, {
          abortSignal: deadline.signal,
          maxRetryRequests: 0, // a cut is the caller's to mend, who knows what is on disk
        });
        if (readableStreamBody === undefined) throw new Error('no body');
        keep();
        deadline.pause();
        const body = readableStreamBody as NodeJS.ReadableStream & AsyncIterable<Buffer>;
        const destroy = () => {
          if ('destroy' in body && typeof body.destroy === 'function') body.destroy();
        };
        const answer = { call, status: offset === 0 ? 200 : 206, body, deadline, destroy };
        const length = contentLength ?? null;
        return { length, offset, body: blocks(answer, length, signal) };
      });
    } catch (error) {
      if (offset === 0 || !(error instanceof ServiceError && error.status === 416)) throw error;
      // It ends at the offset, or before it: its length tells.
      const { bytes } = await this.look(name, signal);
      return bytes === offset ? emptyDownload(offset) : await this.read(name, 0, signal);
    }
  }

  /** Cuts everything that is still on the wire. */
  close(): void {
    this.#closing.abort(new MillraceError('closed', 'the service was closed'));
  }

  #open(): Promise<ContainerClient> {
    this.#container ??= openContainer(this.#options.place, this.#options.access);
    return this.#container;
  }

  async #blob(name: string) {
    return (await this.#open()).getBlobClient(name);
  }

  async #run<R>(
    call: string,
    signal: AbortSignal | undefined,
    work: (attempt: Try) => Promise<R>,
  ): Promise<R> {
    const { retry, clock, random, timeoutMs } = this.#options;
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    for (let failures = 0; ; ) {
      either.throwIfAborted();
      const deadline = new Deadline(either, timeoutMs);
      let kept = false;
      try {
        return await work({
          deadline,
          keep: () => {
            kept = true;
          },
        });
      } catch (cause) {
        either.throwIfAborted();
        const { error, again } = deadline.expired
          ? timedOut(call, timeoutMs)
          : blobFailure(call, cause, this.#redact, clock.now());
        failures += 1;
        if (!again || failures >= retry.tries) throw error;
        await clock.sleep(
          (error.retryAfterMs ?? 0) + backoffMs(retry, failures - 1, random),
          either,
        );
      } finally {
        if (!kept) deadline[Symbol.dispose]();
      }
    }
  }
}

/** The bytes of an upload in blocks of one size; throws when they are not as many as announced. */
async function* inBlocks(upload: Upload): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, upload.bytes));
  let used = 0;
  let sent = 0;
  for await (const chunk of upload.open({ shared: true })) {
    sent += chunk.length;
    if (sent > upload.bytes) throw wrongLength(upload, `more than ${upload.bytes}`);
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + block.length - used);
      block.set(part, used);
      used += part.length;
      taken += part.length;
      if (used < block.length) break;
      yield block;
      block = Buffer.allocUnsafeSlow(
        Math.min(BLOCK_BYTES, upload.bytes - sent + chunk.length - taken),
      );
      used = 0;
    }
  }
  if (sent !== upload.bytes) throw wrongLength(upload, String(sent));
}
