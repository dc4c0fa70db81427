import type { BatchObject, FileObject } from '../core/batch.ts';
import { TERMINAL_STATUSES } from '../core/batch.ts';
import { MillraceError, ServiceError, UsageError } from '../core/errors.ts';
import type {
  BatchService,
  CreatedBatch,
  Dialect,
  Download,
  NewBatch,
  Upload,
} from '../core/service.ts';
import type { Answer, Outcome } from './answer.ts';
import { readJson } from './answer.ts';
import type { VersionDialect } from './dialects.ts';
import { emptyDownload, readDownload } from './download.ts';
import { multipart } from './multipart.ts';
import type { Page } from './paging.ts';
import { pages } from './paging.ts';
import type { Transport } from './transport.ts';
import { count, toBatch, toFile, toPage } from './wire.ts';

const PAGE_ITEMS = 100; // the most that a page of batches holds

const readBatch = readJson('a batch', toBatch);
const readFile = readJson('a file', toFile);

/** The port over a transport: one method, one path. */
export class BatchClient implements BatchService {
  readonly resource: string;
  readonly dialect: Dialect;
  readonly #dialect: VersionDialect;
  readonly #transport: Transport;

  constructor(resource: string, dialect: VersionDialect, transport: Transport) {
    this.resource = resource;
    this.dialect = dialect;
    this.#dialect = dialect;
    this.#transport = transport;
  }

  async uploadFile(upload: Upload, signal?: AbortSignal): Promise<FileObject> {
    if (!upload.name.endsWith('.jsonl')) {
      throw new UsageError(`${upload.name}: the service takes files whose name ends in .jsonl`);
    }
    return await this.#transport.run(
      {
        method: 'POST',
        path: '/files',
        body: multipart(upload, this.#dialect.expiresAfter),
        repeat: 'safe',
      },
      signal,
      readFile,
    );
  }

  async getFile(id: string, signal?: AbortSignal): Promise<FileObject> {
    return await this.#transport.run(
      { method: 'GET', path: `/files/${segment(id)}`, repeat: 'safe' },
      signal,
      readFile,
    );
  }

  async *listFiles(signal?: AbortSignal): AsyncIterable<FileObject> {
    const list = this.#list('/files', { purpose: 'batch' }, toFile, signal);
    // Not every service honours the filter.
    for await (const file of list) if (file.purpose === 'batch') yield file;
  }

  async deleteFile(id: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#transport.run(
        { method: 'DELETE', path: `/files/${segment(id)}`, repeat: 'safe' },
        signal,
        ignoreBody,
      );
    } catch (error) {
      // Gone is what was asked for; an earlier try may have done it.
      if (!(error instanceof ServiceError && error.status === 404)) throw error;
    }
  }

  async downloadFile(id: string, offset: number, signal?: AbortSignal): Promise<Download> {
    const path = `/files/${segment(id)}/content`;
    const headers = { accept: 'application/octet-stream, */*' };
    const open = (from: number) =>
      this.#transport.run(
        {
          method: 'GET',
          path,
          headers: from === 0 ? headers : { ...headers, range: `bytes=${from}-` },
          repeat: 'safe',
        },
        signal,
        (answer) => readDownload(answer, from, signal),
      );
    try {
      return await open(offset);
    } catch (error) {
      if (offset === 0 || !(error instanceof ServiceError && error.status === 416)) throw error;
      // The file ends at the offset, or before it: its length tells.
      const { bytes } = await this.getFile(id, signal);
      return bytes === offset ? emptyDownload(offset) : await open(0);
    }
  }

  /** With an `outputFolder`, the input is a blob: its id is a URL, and metadata is not taken. */
  async createBatch(
    batch: NewBatch & { readonly outputFolder?: string },
    signal?: AbortSignal,
  ): Promise<CreatedBatch> {
    const { inputFileId, metadata, outputFolder } = batch;
    const from =
      outputFolder === undefined
        ? { input_file_id: inputFileId, metadata }
        : { input_file_id: null, input_blob: inputFileId, output_folder: { url: outputFolder } };
    return await this.#transport.run(
      {
        method: 'POST',
        path: '/batches',
        json: {
          ...from,
          endpoint: this.#dialect.endpointPrefix + batch.endpoint,
          completion_window: '24h',
        },
        repeat: 'once',
      },
      signal,
      readJson('a batch', (value, answer) => {
        const created = toBatch(value);
        return created && { batch: created, queue: queueReading(answer) };
      }),
    );
  }

  async getBatch(id: string, signal?: AbortSignal): Promise<BatchObject> {
    return await this.#transport.run(
      { method: 'GET', path: `/batches/${segment(id)}`, repeat: 'safe' },
      signal,
      readBatch,
    );
  }

  listBatches(signal?: AbortSignal, filter?: string): AsyncIterable<BatchObject> {
    const heard = filter !== undefined && this.#dialect.listFilter;
    return this.#list('/batches', heard ? { $filter: filter } : {}, toBatch, signal);
  }

  async cancelBatch(id: string, signal?: AbortSignal): Promise<BatchObject> {
    try {
      return await this.#transport.run(
        { method: 'POST', path: `/batches/${segment(id)}/cancel`, repeat: 'safe', settledBy: 409 },
        signal,
        readBatch,
      );
    } catch (error) {
      // What a service says to the cancel of a batch that is over is not documented.
      if (!(error instanceof ServiceError) || (error.status !== 400 && error.status !== 409)) {
        throw error;
      }
      const batch = await this.getBatch(id, signal);
      if (!TERMINAL_STATUSES.has(batch.status)) throw error;
      return batch;
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #list<T extends { readonly id: string }>(
    path: string,
    query: Readonly<Record<string, string>>,
    convert: (value: unknown) => T | null,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T> {
    const read = readJson<Page<T>>('a list', (value) => {
      const page = toPage(value);
      const items = page?.items.map(convert).filter((item) => item !== null);
      if (page === null || items?.length !== page.items.length) return null;
      return { items, hasMore: page.hasMore };
    });
    const limit = String(PAGE_ITEMS);
    return pages(path.slice(1), (after) =>
      this.#transport.run(
        {
          method: 'GET',
          path,
          query: after === undefined ? { ...query, limit } : { ...query, limit, after },
          repeat: 'safe',
        },
        signal,
        read,
      ),
    );
  }
}

/** An id as one segment of a path. Without it the call would be another call. */
function segment(id: string): string {
  if (id === '') throw new MillraceError('bad_id', 'an empty id was given for a file or a batch');
  return encodeURIComponent(id);
}

async function ignoreBody(answer: Answer): Promise<Outcome<null>> {
  for await (const chunk of answer.body) void chunk;
  return { value: null };
}

function queueReading(answer: Answer): CreatedBatch['queue'] {
  return {
    enqueuedTokens: count(answer.header('deployment-enqueued-tokens')),
    maximumEnqueuedTokens: count(answer.header('deployment-maximum-enqueued-tokens')),
  };
}
