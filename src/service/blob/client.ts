import type { BatchObject, FileObject } from '../../core/batch.ts';
import { MillraceError } from '../../core/errors.ts';
import type {
  BatchService,
  CreatedBatch,
  Dialect,
  Download,
  NewBatch,
  Upload,
} from '../../core/service.ts';
import type { BatchClient } from '../client.ts';
import type { BlobPlace } from './place.ts';
import type { BlobEntry, BlobStore } from './store.ts';

const MAX_BLOB_BYTES = 1000 * 1000 * 1000; // 1 GB, read as 10^9: the smaller of the two readings

/** Begins the name of every input of ours, whichever job's. */
const OURS = 'millrace.';
const SUFFIX = '.jsonl';

/**
 * A resource whose batches read from a container of the user's and write into it: a file is a blob,
 * and its id the blob's URL. The answers to `NAME.jsonl` come to lie in the folder `NAME/`, in one
 * of the service's own naming, and are deleted with their input. Ids that are no URL are files of
 * the service, as they are without a container.
 */
export class BlobBatchClient implements BatchService {
  readonly resource: string;
  readonly dialect: Dialect;
  readonly #inner: BatchClient;
  readonly #place: BlobPlace;
  readonly #blobs: BlobStore;

  constructor(inner: BatchClient, place: BlobPlace, blobs: BlobStore) {
    this.resource = `${inner.resource} with ${place.url}`;
    this.dialect = {
      ...inner.dialect,
      maxFileBytes: MAX_BLOB_BYTES,
      maxFiles: Number.MAX_SAFE_INTEGER, // blobs are not counted
      answersAreOurs: true,
    };
    this.#inner = inner;
    this.#place = place;
    this.#blobs = blobs;
  }

  async uploadFile(upload: Upload, signal?: AbortSignal): Promise<FileObject> {
    const name = this.#place.folder + upload.name;
    await this.#blobs.put(name, upload, signal);
    return this.#file({ name, bytes: upload.bytes, createdAt: null });
  }

  async getFile(id: string, signal?: AbortSignal): Promise<FileObject> {
    if (!isUrl(id)) return this.#inner.getFile(id, signal);
    return this.#file(await this.#blobs.look(this.#nameOf(id), signal));
  }

  /**
   * Every input of ours. One that is gone, with answers left in its folder, is shown with no bytes:
   * deleting it deletes those.
   */
  async *listFiles(signal?: AbortSignal): AsyncIterable<FileObject> {
    const inputs = new Set<string>();
    const folders = new Set<string>();
    for await (const entry of this.#blobs.list(this.#place.folder + OURS, signal)) {
      if (entry.bytes === null) folders.add(entry.name);
      else if (entry.name.endsWith(SUFFIX)) {
        inputs.add(folderOf(entry.name));
        yield this.#file(entry);
      }
    }
    for (const folder of folders) {
      if (inputs.has(folder)) continue;
      yield this.#file({ name: folder.slice(0, -1) + SUFFIX, bytes: 0, createdAt: null });
    }
  }

  async deleteFile(id: string, signal?: AbortSignal): Promise<void> {
    if (!isUrl(id)) return this.#inner.deleteFile(id, signal);
    const name = this.#nameOf(id);
    // The input goes last: as long as it is there, a sweep finds what is left of it.
    if (this.#isInput(name)) await this.#blobs.deleteFolder(folderOf(name), signal);
    await this.#blobs.delete(name, signal);
  }

  async downloadFile(id: string, offset: number, signal?: AbortSignal): Promise<Download> {
    if (!isUrl(id)) return this.#inner.downloadFile(id, offset, signal);
    return this.#blobs.read(this.#nameOf(id), offset, signal);
  }

  async createBatch(batch: NewBatch, signal?: AbortSignal): Promise<CreatedBatch> {
    const { inputFileId } = batch;
    if (!isUrl(inputFileId)) return this.#inner.createBatch(batch, signal);
    const outputFolder = this.#urlOf(folderOf(this.#nameOf(inputFileId)).slice(0, -1));
    return this.#inner.createBatch({ ...batch, outputFolder }, signal);
  }

  getBatch(id: string, signal?: AbortSignal): Promise<BatchObject> {
    return this.#inner.getBatch(id, signal);
  }

  listBatches(signal?: AbortSignal, filter?: string): AsyncIterable<BatchObject> {
    return this.#inner.listBatches(signal, filter);
  }

  cancelBatch(id: string, signal?: AbortSignal): Promise<BatchObject> {
    return this.#inner.cancelBatch(id, signal);
  }

  async close(): Promise<void> {
    this.#blobs.close();
    await this.#inner.close();
  }

  #file({ name, bytes, createdAt }: BlobEntry): FileObject {
    const { folder } = this.#place;
    return {
      id: this.#urlOf(name),
      name: name.startsWith(folder) ? name.slice(folder.length) : name,
      bytes,
      status: 'processed',
      purpose: 'batch',
      createdAt,
      expiresAt: null,
    };
  }

  #urlOf(name: string): string {
    const { account, container } = this.#place;
    return [account, container, ...name.split('/').map(encodeURIComponent)].join('/');
  }

  /**
   * The name within our container, wherever in it the service has put a blob. Credentials go to the
   * container that the user named, and to no other.
   */
  #nameOf(url: string): string {
    const container = new URL(this.#urlOf(''));
    // Parsed, so that no `..` leads out of it.
    const { origin, pathname } = URL.canParse(url) ? new URL(url) : { origin: '', pathname: '' };
    if (origin === container.origin && pathname.startsWith(container.pathname)) {
      return decodeURIComponent(pathname.slice(container.pathname.length));
    }
    throw new MillraceError(
      'foreign_blob',
      `the service named a blob outside the container of ${this.#place.url}, which is not read: look ` +
        'at the batch in the portal, or name its container with --blob-container',
    );
  }

  /** Whether a name is that of an input, and not of an answer. */
  #isInput(name: string): boolean {
    const { folder } = this.#place;
    const own = name.slice(folder.length);
    const inside = name.startsWith(folder) && !own.includes('/');
    return inside && own.startsWith(OURS) && own.endsWith(SUFFIX);
  }
}

function isUrl(id: string): boolean {
  return /^https?:\/\//.test(id);
}

/** Where the answers to an input lie. */
function folderOf(input: string): string {
  return `${input.slice(0, -SUFFIX.length)}/`;
}
