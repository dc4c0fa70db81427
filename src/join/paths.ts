import { basename, dirname, join } from 'node:path';
import { shardPaths } from '../shards/paths.ts';

/** Where the join of one shard puts its rows, below the job's directory. */
export interface JoinPaths {
  /** Final rows by ordinal, those apart whose answers stay in the downloads. */
  readonly results: string;
  /** Where the answers of those lie. */
  readonly index: string;
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
    index: join(directory, 'results', `${name}.index`),
    leftoverRequests,
    leftoverRecords,
    failedRequests: `${base}.failed.requests.jsonl`,
    failedRecords: `${base}.failed.records.ndjson`,
  };
}

/** Where the answers of a shard's batch are downloaded to. */
export function downloadPath(directory: string, name: string, which: 'output' | 'error'): string {
  return join(directory, 'downloads', `${name}.${which}.jsonl`);
}

/** The shard that a result file belongs to. */
export function shardOfResults(path: string): { directory: string; name: string } {
  return { directory: dirname(dirname(path)), name: basename(path, '.ndjson') };
}

/** The index beside a result file. */
export function indexOfResults(path: string): string {
  return path.replace(/\.ndjson$/, '.index');
}
