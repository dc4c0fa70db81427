import type { JobSpec, Partition, ShardLimits } from '../core/job.ts';
import { RejectedRecord } from '../core/record.ts';
import { type CountedItem, CountedRequest } from '../core/request.ts';
import { type LimitOptions, resolveLimits } from '../shards/limits.ts';
import { emptyProgress } from '../shards/progress.ts';
import { abortable, wiredWrongly } from '../streams/stage.ts';
import { jobRow, log } from './context.ts';
import type { Job } from './job.ts';
import { preparePartition } from './partition.ts';
import { gatherRejected } from './rejected-rows.ts';
import { type CountedBlocks, sealPartition } from './seal-partition.ts';
import { settleSpec } from './spec.ts';

/** What a preparation came to, known before anything is sent. */
export interface Plan {
  /** All that were read: requests and rejected together. */
  readonly records: number;
  readonly requests: number;
  readonly rejected: number;
  readonly shards: number;
  /** Of the request files. */
  readonly bytes: number;
  /** Input tokens. */
  readonly tokens: number;
}

/** How counted requests become shards. */
export interface WriteShardsOptions extends LimitOptions {
  /** Names what the job was made by: a changed function gets a new version, or the job is refused. */
  version?: string;
  /** Throw at the first rejected record instead of keeping it as a row. */
  strict?: boolean;
}

const BLOCK_ITEMS = 256;
const MOST_PEEKED = 10_000;

/**
 * The end of a preparing pipeline: seals the counted requests into the job's shards and resolves to
 * the plan. When the job was begun before, the same items are supplied again: what is sealed is
 * compared by hash and skipped (`source_changed` when it differs).
 */
export function writeShards(
  job: Job,
  options: WriteShardsOptions = {},
): (
  items: AsyncIterable<CountedItem<unknown>>,
  context?: { signal?: AbortSignal | undefined },
) => Promise<Plan> {
  return async (items, context) => {
    const limits = resolveLimits(options);
    job.active.preparing += 1;
    try {
      const reader = await peekRequest(abortable(items, context?.signal));
      await settleSpec(job, pipelineSpec(reader.first, limits, options.version));
      const partition = await onlyPartition(job);
      const signal = context?.signal;
      const { strict } = options;
      const settings = { directory: job.directory.path, jobName: job.name, limits, strict };
      await preparePartition(
        job,
        partition,
        (row, head, onSeal) =>
          sealPartition(settings, row, reader.blocks, { head, onSeal, fromStart: true, signal }),
        { request: { ...templateOf(options.version), baseModel: null }, signal },
      );
      return await endPreparation(job);
    } finally {
      job.active.preparing -= 1;
      job.notify();
    }
  };
}

function pipelineSpec(
  first: CountedRequest<unknown> | null,
  limits: ShardLimits,
  version: string | undefined,
): JobSpec {
  const source = {
    path: null,
    label: '<records>',
    bytes: null,
    mtime: null,
    columns: null,
    options: {},
  };
  const request =
    first === null
      ? null
      : {
          endpoint: first.endpoint,
          model: first.body.model,
          baseModel: first.body.model,
          ...templateOf(version),
          ...(first.schema === null ? {} : { outputSchema: first.schema }),
        };
  return { sources: [source], request, limits };
}

/** What stands for a pipeline's functions. */
function templateOf(version: string | undefined) {
  return { idField: null, template: { version: version ?? null } };
}

/**
 * Reads on to the first request, which tells the endpoint and the model of all, and gives all that
 * was read. A source that begins with very many bad records tells them at its first seal.
 */
async function peekRequest(
  items: AsyncIterable<CountedItem<unknown>>,
): Promise<{ first: CountedRequest<unknown> | null; blocks: CountedBlocks }> {
  const iterator = items[Symbol.asyncIterator]();
  const head: CountedItem<unknown>[] = [];
  let first: CountedRequest<unknown> | null = null;
  while (first === null && head.length < MOST_PEEKED) {
    const next = await iterator.next();
    if (next.done === true) break;
    head.push(counted(next.value));
    if (next.value instanceof CountedRequest) first = next.value;
  }
  async function* blocks() {
    try {
      yield head.map((item) => ({ item, nextByte: null }));
      let block: { item: CountedItem<unknown>; nextByte: null }[] = [];
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        block.push({ item: counted(next.value), nextByte: null });
        if (block.length < BLOCK_ITEMS && !holdsParts(next.value)) continue;
        yield block;
        block = [];
      }
      yield block;
    } finally {
      await iterator.return?.();
    }
  }
  return { first, blocks: blocks() };
}

/** The item; throws a UsageError when a stage is missing before. */
function counted(item: CountedItem<unknown>): CountedItem<unknown> {
  if (item instanceof CountedRequest || item instanceof RejectedRecord) return item;
  throw wiredWrongly('writeShards', 'the counted requests of countTokens()', item);
}

/** Whether a request is not only text: images make it so large that it is not kept with others. */
function holdsParts(item: CountedItem<unknown>): boolean {
  if (item instanceof RejectedRecord) return false;
  const { messages, input } = item.body;
  if (!Array.isArray(messages)) return Array.isArray(input);
  return messages.some((message: { content?: unknown }) => Array.isArray(message.content));
}

async function onlyPartition(job: Job): Promise<Partition> {
  return job.store.transaction(async (tx) => {
    const row = await jobRow(tx);
    const [found] = await tx.partitions();
    if (found !== undefined) return found;
    const partition = {
      name: 'p0000',
      source: 0,
      start: 0,
      end: null,
      firstOrdinal: 0,
      records: null,
      state: 'planned' as const,
      progress: emptyProgress(),
    };
    await tx.insertPartition(partition);
    await tx.updateJob(row.version, { planned: true });
    return { ...partition, version: 1 };
  });
}

/** All partitions are prepared: the rejected rows lie in one file, and the job may end. */
export async function endPreparation(job: Job): Promise<Plan> {
  const { partitions, state } = await job.store.read(async (tx) => ({
    partitions: await tx.partitions(),
    state: (await jobRow(tx)).state,
  }));
  // Also when a pause or a cancel came in between: the job goes on from here later.
  await gatherRejected(job.directory, partitions, state === 'preparing');
  return job.store.transaction(async (tx) => {
    const row = await jobRow(tx);
    const totals = await tx.totals();
    const plan = {
      records: partitions.reduce((sum, { progress }) => sum + progress.records, 0),
      requests: totals.requests,
      rejected: totals.rejected,
      shards: partitions.reduce((sum, { progress }) => sum + progress.shards, 0),
      bytes: totals.bytes,
      tokens: totals.tokens,
    };
    if (row.state === 'preparing') {
      await tx.updateJob(row.version, { state: 'running' });
      await log(tx, job, 'prepared', 'job', { ...plan });
    }
    // What waited for the whole to be known goes on: the end of a sample, and that of the job.
    for (const { name } of await tx.targets()) await tx.putTask('grant', name, job.clock.now());
    await tx.putTask('finish', 'job', job.clock.now());
    return plan;
  });
}
