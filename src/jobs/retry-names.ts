import { FenceError } from '../core/errors.ts';
import type { Reader } from '../core/store.ts';

/** Retry shards are sent after every shard of a partition. */
const FIRST_RETRY_ORDER = 1_000_000_000_000;
const SHARDS_A_PARTITION = 1_000_000;
const NUMBER_WIDTH = 4;

/** `r0001`, `r0002`, ... */
export function retryName(number: number): string {
  return `r${String(number).padStart(NUMBER_WIDTH, '0')}`;
}

export function retryOrder(number: number): number {
  return FIRST_RETRY_ORDER + number;
}

/** Shards of a partition are sent in the order of the sources. Both count from 0. */
export function shardOrder(partition: number, number: number): number {
  return partition * SHARDS_A_PARTITION + number;
}

export async function nextRetryNumber(tx: Reader): Promise<number> {
  const shards = await tx.shards();
  return 1 + shards.filter(({ partition }) => partition === null).length;
}

/** Throws a FenceError when somebody else has used one of the names since they were chosen. */
export async function mustBeFree(
  tx: Reader,
  shards: readonly { readonly name: string }[],
): Promise<void> {
  for (const { name } of shards) {
    if ((await tx.shard(name)) !== undefined) throw new FenceError(`the name ${name}`);
  }
}
