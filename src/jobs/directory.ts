import { lstatSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { MillraceError, UsageError } from '../core/errors.ts';
import { makePrivateDirectory } from '../streams/files.ts';

const JOB_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The paths of one job. Names in it come from our own numbers, never from a server or an id. */
export class JobDirectory {
  readonly path: string;
  readonly database: string;
  readonly lock: string;
  readonly rejected: string;
  readonly local: string;

  constructor(path: string) {
    this.path = resolve(path);
    this.database = join(this.path, 'job.db');
    this.lock = join(this.path, 'lock.db');
    this.rejected = join(this.path, 'rejected.ndjson');
    this.local = join(this.path, 'local');
  }

  requests(shard: string): string {
    return join(this.path, 'shards', `${shard}.requests.jsonl`);
  }

  records(shard: string): string {
    return join(this.path, 'shards', `${shard}.records.ndjson`);
  }

  /** What a join kept of a shard's rows for a further attempt, or of those that failed for good. */
  kept(shard: string, which: 'leftover' | 'failed'): string[] {
    return ['requests.jsonl', 'records.ndjson'].map((kind) =>
      join(this.path, 'shards', `${shard}.${which}.${kind}`),
    );
  }

  /** The rejected rows of one partition, until all partitions are prepared. */
  rejectedPart(partition: string): string {
    return join(this.path, 'shards', `${partition}.rejected.partial`);
  }

  download(shard: string, which: 'output' | 'error'): string {
    return join(this.path, 'downloads', `${shard}.${which}.jsonl`);
  }

  results(shard: string): string {
    return join(this.path, 'results', `${shard}.ndjson`);
  }

  /** Where the answers of those final rows lie that are not in `results`. */
  rowIndex(shard: string): string {
    return join(this.path, 'results', `${shard}.index`);
  }

  /** All that the final rows of a joined shard are made of. */
  rowFiles(shard: string): string[] {
    return [
      this.results(shard),
      this.rowIndex(shard),
      this.records(shard),
      this.download(shard, 'output'),
      this.download(shard, 'error'),
    ];
  }

  /** Throws `symbolic_link` when a file of the job's own was replaced by a link to somewhere else. */
  refuseLinks(): void {
    const databases = [this.database, this.lock].flatMap((path) => [
      path,
      `${path}-wal`,
      `${path}-shm`,
      `${path}-journal`,
      `${path}.holder`,
    ]);
    for (const path of [...databases, this.rejected]) {
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue;
      throw new MillraceError(
        'symbolic_link',
        `${path} is a symbolic link and is not followed; remove it or put the file in its place`,
      );
    }
  }

  async make(): Promise<void> {
    for (const dir of ['', 'shards', 'downloads', 'results']) {
      await makePrivateDirectory(join(this.path, dir));
    }
  }
}

/**
 * A job's name is its directory's name without `.job`, in lower case. It stands before every
 * custom_id, so it is short and plain.
 */
export function jobNameOf(directory: string, given?: string): string {
  const name =
    given ??
    basename(resolve(directory))
      .replace(/\.job$/i, '')
      .toLowerCase();
  if (JOB_NAME.test(name)) return name;
  throw new UsageError(
    `"${name}" cannot name a job: use 1 to 64 of a-z, 0-9, dot, dash and underscore, ` +
      'starting with a letter or digit, for example --job reviews.job',
  );
}
