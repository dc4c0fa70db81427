import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { createGzip, createZstdCompress, type Gzip, type ZstdCompress } from 'node:zlib';
import { AtomicFile } from '../streams/atomic-file.ts';

/** Where bytes of an output go. Exactly one of `close` and `abort` ends it. */
export interface ByteTarget {
  /** The bytes are copied or sent before it resolves. */
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

export type Compression = 'gz' | 'zst';

/**
 * A file that appears under its name when it is closed, and never if it is aborted. It goes past the
 * system's cache where it can: then it is as good as durable when its last byte is written.
 */
export class FileTarget implements ByteTarget {
  readonly #path: string;
  #file: AtomicFile | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#file ??= await AtomicFile.create(this.#path, { direct: true });
    await this.#file.write(chunk);
  }

  async close(): Promise<void> {
    this.#file ??= await AtomicFile.create(this.#path);
    await this.#file.commit();
  }

  async abort(): Promise<void> {
    await this.#file?.discard();
  }
}

/** A stream of the process, such as standard output; it is not ended. */
export class StreamTarget implements ByteTarget {
  readonly #stream: Writable;
  // A broken pipe also comes as an event, which would end the process if nobody listened.
  readonly #onError = (error: Error) => {
    this.#failure = error;
  };
  #failure: Error | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', this.#onError);
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // The callback comes when the chunk is handed on, which is also when its buffer is free again.
      this.#stream.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    this.#stream.off('error', this.#onError);
  }

  async abort(): Promise<void> {
    if (this.#failure === null) this.#stream.off('error', this.#onError);
  }
}

/** Compresses on the way to another target. */
export class CompressedTarget implements ByteTarget {
  readonly #target: ByteTarget;
  readonly #compressor: Gzip | ZstdCompress;
  readonly #drained: Promise<void>;
  #failure: unknown;

  constructor(target: ByteTarget, compression: Compression) {
    this.#target = target;
    this.#compressor = compression === 'gz' ? createGzip() : createZstdCompress();
    this.#drained = this.#drain();
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    // The compressor keeps the chunk for a while and the caller uses its buffer again.
    if (!this.#compressor.write(Buffer.from(chunk))) await this.#room();
  }

  async close(): Promise<void> {
    this.#compressor.end();
    await this.#drained;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#target.close();
  }

  async abort(): Promise<void> {
    this.#compressor.destroy();
    await this.#drained;
    await this.#target.abort();
  }

  async #room(): Promise<void> {
    await Promise.race([once(this.#compressor, 'drain'), this.#drained]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Never rejects: a failure is thrown at whoever writes next. */
  async #drain(): Promise<void> {
    try {
      for await (const chunk of this.#compressor) await this.#target.write(chunk);
    } catch (error) {
      this.#failure = error;
    }
  }
}
