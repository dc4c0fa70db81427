import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PartitionProgress, SealedShard } from '../../src/core/job.ts';
import { RejectedRecord } from '../../src/core/record.ts';
import { type CountedItem, CountedRequest, PreparedRequest } from '../../src/core/request.ts';
import { emptyProgress } from '../../src/shards/progress.ts';
import { type SealingOptions, SealingWriter } from '../../src/shards/writer.ts';

export const MODEL = 'gpt-4o-batch';

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-shards-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function request(
  row: number,
  text: string,
  { id = null, tokens = 1 }: { id?: string | null; tokens?: number } = {},
): CountedRequest<unknown> {
  const body = { model: MODEL, messages: [{ role: 'user', content: text }] };
  const position = { source: 'records.ndjson', row: row + 1, byte: row * 10 };
  const prepared = new PreparedRequest({ text }, position, id, '/chat/completions', body);
  return new CountedRequest(prepared, tokens);
}

export function rejected(row: number, id: string | null = null): RejectedRecord {
  const position = { source: 'records.ndjson', row: row + 1, byte: row * 10 };
  return new RejectedRecord(['a'], position, { code: 'ragged_row', message: 'one field' }, id);
}

export interface Run {
  shards: SealedShard[];
  progress: PartitionProgress;
  seals: PartitionProgress[];
}

/** Feeds the items behind `progress` (all of them with `verify`) and gives what was sealed. */
export async function seal(
  directory: string,
  items: readonly CountedItem<unknown>[],
  options: Partial<SealingOptions> = {},
): Promise<Run> {
  const run: Run = { shards: [], progress: emptyProgress(), seals: [] };
  const writer = new SealingWriter({
    directory,
    partition: 'p0000',
    jobName: 'job',
    limits: { maxRequests: 100, maxBytes: 1e6, maxTokens: 1e6 },
    firstOrdinal: 0,
    progress: emptyProgress(),
    async onSeal(shard, progress) {
      if (shard !== null) run.shards.push(shard);
      run.seals.push(progress);
    },
    ...options,
  });
  const from = options.verify === true ? 0 : (options.progress?.records ?? 0);
  try {
    for (const [index, item] of items.entries()) {
      if (index >= from) await writer.add(item, (index + 1) * 10);
    }
    run.progress = await writer.finish();
  } finally {
    await writer.abort();
  }
  return run;
}

/** Every file of the shards directory with its text. */
export async function filesOf(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of (await readdir(join(directory, 'shards'))).sort()) {
    files[name] = await readFile(join(directory, 'shards', name), 'utf8');
  }
  return files;
}

export async function collect<T>(source: AsyncIterable<T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const batch of source) all.push(...batch);
  return all;
}

export async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
