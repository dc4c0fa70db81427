import type { Partition, PartitionProgress } from '../core/job.ts';
import type { JobHead } from '../shards/serialise.ts';
import { createTokenCounter } from '../tokens/counter.ts';
import { loadModelTable } from '../tokens/models.ts';
import { countedBlocks, type JobCounter } from './counted.ts';
import type { OpenRequest } from './request.ts';
import { type OnSeal, type SealSettings, sealPartition } from './seal-partition.ts';
import type { OpenSource } from './sources.ts';

/** What one partition needs beside the job's own settings. */
export interface SealOrder {
  /** Rows of its source before it. */
  readonly row: number;
  readonly head: JobHead | undefined;
  readonly onSeal: OnSeal;
  readonly signal: AbortSignal | undefined;
}

/** Reads, builds, counts and seals partitions in this thread. The counter is made when needed. */
export class PartitionSealer {
  readonly #settings: SealSettings;
  /** By their numbers; null where this thread cannot read. */
  readonly #sources: readonly (OpenSource | null)[];
  readonly #request: OpenRequest;
  readonly #baseModel: string | undefined;
  #counter: Promise<JobCounter> | null = null;

  constructor(
    settings: SealSettings,
    sources: readonly (OpenSource | null)[],
    request: OpenRequest,
    baseModel: string | undefined,
  ) {
    this.#settings = settings;
    this.#sources = sources;
    this.#request = request;
    this.#baseModel = baseModel;
  }

  /** Makes what every partition needs before there is one. */
  async warm(): Promise<void> {
    const model = this.#request.splice?.model ?? null;
    if (model !== null) await this.#counterFor(model);
  }

  seal(partition: Partition, { row, head, onSeal, signal }: SealOrder): Promise<PartitionProgress> {
    const source = this.#sources[partition.source]!;
    const items = source.read(partition, row, signal, this.#request.splice?.raw);
    const blocks = countedBlocks(items, this.#request, (model) => this.#counterFor(model));
    const fromStart = partition.progress.resumeAt === null;
    // What can be jumped into is never read again from its start.
    const compared = source.description?.seekable !== true;
    const order = { head, onSeal, fromStart, compared, signal };
    return sealPartition(this.#settings, partition, blocks, order);
  }

  #counterFor(model: string): Promise<JobCounter> {
    this.#counter ??=
      this.#settings.count === false
        ? Promise.resolve(NOT_COUNTED)
        : createTokenCounter(this.#baseModel ?? model, {
            table: this.#settings.models ?? loadModelTable(),
          });
    return this.#counter;
  }
}

const NOT_COUNTED: JobCounter = {
  model: 'none',
  encoding: 'none',
  idle: true,
  countText: () => 0,
  countUtf8: () => 0,
  countRequest: () => 0,
};
