import { join } from 'node:path';
import { shardPaths } from '../shards/paths.ts';

/** Where the join of one shard puts its rows, below the job's directory. */
export interface JoinPaths {
  /** Final rows by ordinal. */
  readonly results: string;
  /** Rows to be tried again, in the two formats of a shard. */
  readonly leftoverRequests: string;
  readonly leftoverRecords: string;
  /** What the final failed rows were made of, kept for `retry`, in the same two formats. */
  readonly failedRequests: string;
  readonly failedRecords: string;
}

export function joinPaths(directory: string, name: string): JoinPaths {
  const { leftoverRequests, leftoverRecords } = shardPaths(directory, name);
  const base = join(directory, 'shards', name);
  return {
    results: join(directory, 'results', `${name}.ndjson`),
    leftoverRequests,
    leftoverRecords,
    failedRequests: `${base}.failed.requests.jsonl`,
    failedRecords: `${base}.failed.records.ndjson`,
  };
}
