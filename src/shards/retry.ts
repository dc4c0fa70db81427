import { UsageError } from '../core/errors.ts';
import type { SealedShard } from '../core/job.ts';
import { DEFAULT_LIMITS, UNLIMITED_TOKENS } from './limits.ts';
import { shardPaths } from './paths.ts';
import { readPair, readShard, type ShardLine } from './reader.ts';
import { type RequestCounter, type RetryOptions, RetryWriter } from './retry-writer.ts';

/** Inputs that are read side by side: two descriptors and two blocks each. */
const MAX_OPEN_INPUTS = 64;
const MERGE_BLOCK_BYTES = 64 * 1024; // 64 KiB

/**
 * Merges the rows that joins left over (`NAME.leftover.*` of each input) by ordinal into sealed
 * retry shards, in constant memory. The same inputs and names make the same files, so that a step
 * that was cut off is simply done again; the inputs stay, for the caller to remove once the new
 * shards are remembered. More inputs than can be open at once are taken in groups, and a shard
 * does not span two groups, so that its rows are always in order.
 */
export async function regroupLeftovers(
  inputs: readonly string[],
  options: RetryOptions,
  signal?: AbortSignal,
): Promise<SealedShard[]> {
  const writer = new RetryWriter(options);
  try {
    for (let at = 0; at < inputs.length; at += MAX_OPEN_INPUTS) {
      const group = inputs.slice(at, at + MAX_OPEN_INPUTS);
      for await (const line of mergeByOrdinal(options.directory, group)) {
        signal?.throwIfAborted();
        await writer.add(line);
      }
      await writer.close();
    }
    return await writer.finish();
  } finally {
    await writer.abort();
  }
}

/**
 * Makes two shards of one, cut where its tokens are halved, for a shard that the service's token
 * limit refuses though nothing else is in flight. The shard itself stays. A shard of one request
 * cannot be halved: UsageError.
 */
export async function halveShard(
  directory: string,
  shard: SealedShard,
  names: readonly [string, string],
  counter: RequestCounter,
): Promise<[SealedShard, SealedShard]> {
  if (shard.requests < 2) {
    throw new UsageError(`shard ${shard.name} has one request and cannot be halved`);
  }
  const left = [...names];
  const writer = new RetryWriter({
    ...{ directory, counter },
    limits: { ...DEFAULT_LIMITS, maxTokens: UNLIMITED_TOKENS },
    nextName: () => left.shift() ?? names[1],
  });
  try {
    let row = 0;
    let tokens = 0;
    let cut = false;
    for await (const batch of readShard(directory, shard.name)) {
      for (const line of batch) {
        const more = writer.weigh(line);
        const half = row > 0 && (tokens + more.tokens) * 2 > shard.tokens;
        if (!cut && (half || row === shard.requests - 1)) {
          cut = true;
          await writer.close();
        }
        await writer.add(line, more);
        tokens += more.tokens;
        row++;
      }
    }
    const [first, second] = await writer.finish();
    return [first!, second!];
  } finally {
    await writer.abort();
  }
}

/** One input of a merge: its rows, with the current one in sight. */
interface Cursor {
  readonly batches: AsyncGenerator<ShardLine[], void, undefined>;
  batch: readonly ShardLine[];
  at: number;
}

async function* mergeByOrdinal(
  directory: string,
  names: readonly string[],
): AsyncGenerator<ShardLine, void, undefined> {
  const cursors: Cursor[] = names.map((name) => {
    const { leftoverRequests, leftoverRecords } = shardPaths(directory, name);
    const batches = readPair(leftoverRequests, leftoverRecords, MERGE_BLOCK_BYTES);
    return { batches, batch: [], at: 0 };
  });
  try {
    let live = await Promise.all(cursors.map(refill)).then(whole);
    while (live.length > 0) {
      const next = live.reduce((a, b) => (ordinalOf(b) < ordinalOf(a) ? b : a));
      yield next.batch[next.at]!;
      next.at++;
      if (next.at === next.batch.length && (await refill(next)) === null) {
        live = live.filter((cursor) => cursor !== next);
      }
    }
  } finally {
    for (const cursor of cursors) await cursor.batches.return();
  }
}

/** The cursor at the first row of its next batch, or null at its end. */
async function refill(cursor: Cursor): Promise<Cursor | null> {
  const read = await cursor.batches.next();
  if (read.done === true) return null;
  cursor.batch = read.value;
  cursor.at = 0;
  return cursor;
}

function whole(cursors: readonly (Cursor | null)[]): Cursor[] {
  return cursors.filter((cursor) => cursor !== null);
}

function ordinalOf(cursor: Cursor): number {
  return cursor.batch[cursor.at]?.ordinal ?? Number.POSITIVE_INFINITY;
}
