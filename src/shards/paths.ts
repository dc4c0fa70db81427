import { join } from 'node:path';

const NUMBER_WIDTH = 4;

/** `<partition>-<n>`, padded so that names sort as they are numbered. `n` counts from 0. */
export function shardName(partition: string, n: number): string {
  return `${partition}-${String(n).padStart(NUMBER_WIDTH, '0')}`;
}

/** Where the files of one shard lie below the job's directory. */
export interface ShardPaths {
  readonly requests: string;
  readonly records: string;
  /** The rows that a join left over for a further attempt, in the same two formats. */
  readonly leftoverRequests: string;
  readonly leftoverRecords: string;
}

export function shardPaths(directory: string, name: string): ShardPaths {
  const base = join(directory, 'shards', name);
  return {
    requests: `${base}.requests.jsonl`,
    records: `${base}.records.ndjson`,
    leftoverRequests: `${base}.leftover.requests.jsonl`,
    leftoverRecords: `${base}.leftover.records.ndjson`,
  };
}

/** A partition's rows of status `rejected`, on their way to the job's rejected.ndjson. */
export function rejectedPath(directory: string, partition: string): string {
  return join(directory, 'shards', `${partition}.rejected.partial`);
}
