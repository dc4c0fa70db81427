import { createHash } from 'node:crypto';
import type { PartitionProgress } from '../core/job.ts';

/** A partition of which nothing is sealed yet. */
export function emptyProgress(): PartitionProgress {
  return {
    shards: 0,
    records: 0,
    requests: 0,
    rejected: 0,
    bytes: 0,
    tokens: 0,
    sha256: '',
    rejectedBytes: 0,
    resumeAt: null,
    row: 0,
  };
}

/**
 * The next link of a partition's chain of hashes: over the link before, and the hashes of the
 * record lines and of the rejected rows that this seal adds. Whatever changes in a record, or in
 * which of them were rejected, changes every link from there on.
 */
export function chainHash(previous: string, records: string, rejected: string): string {
  return createHash('sha256').update(`${previous}\n${records}\n${rejected}\n`).digest('hex');
}

/** Whether a source that was supplied again gave what was sealed. */
export function sameProgress(now: PartitionProgress, sealed: PartitionProgress): boolean {
  return (
    now.sha256 === sealed.sha256 &&
    now.records === sealed.records &&
    now.requests === sealed.requests &&
    now.shards === sealed.shards &&
    now.bytes === sealed.bytes
  );
}
