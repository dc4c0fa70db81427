import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { countedBlocks } from '../../src/jobs/counted.ts';
import { openRequest } from '../../src/jobs/request.ts';
import { sealPartition } from '../../src/jobs/seal-partition.ts';
import { openSources } from '../../src/jobs/sources.ts';
import type { RequestDefinition } from '../../src/requests/definition.ts';
import { SplicedRequest } from '../../src/requests/splice/spliced-request.ts';
import { resolveLimits } from '../../src/shards/limits.ts';
import { emptyProgress } from '../../src/shards/progress.ts';
import type { SourceOptions } from '../../src/sources/describe.ts';
import { createTokenCounter } from '../../src/tokens/counter.ts';
import { temporaryDirectory } from './helpers.ts';

// The fast path (bytes of a record into the bytes of a request) is held to the plain one (objects and
// JSON.stringify): the same files, byte for byte, and the same tokens.

/** A file, or what makes a stream of the same bytes each time. */
type Input = string | (() => Readable);

/**
 * Files and sums of one source, sealed in one of the two ways, and how many were spliced. The sums
 * hold the hashes of all lines, also where nothing is written.
 */
async function seal(
  input: Input,
  request: RequestDefinition,
  fast: boolean,
  maxRequests = 7,
  write = true,
  options: SourceOptions = {},
) {
  const directory = write ? await temporaryDirectory() : null;
  const opened = await openRequest(request);
  const [source] = await openSources(typeof input === 'string' ? input : input(), options);
  const splice = fast ? opened.splice : null;
  const partition = {
    name: 'p0000',
    source: 0,
    start: 0,
    end: null,
    firstOrdinal: 90,
    records: null,
    state: 'preparing' as const,
    version: 1,
    progress: emptyProgress(),
  };
  let spliced = 0;
  const blocks = countedBlocks(
    source!.read(partition, 0, undefined, splice?.raw),
    { builder: opened.builder, splice },
    () => createTokenCounter('gpt-4o'),
  );
  async function* watched() {
    for await (const block of blocks) {
      yield (function* () {
        for (const entry of block) {
          if (entry.item instanceof SplicedRequest) spliced++;
          yield entry;
        }
      })();
    }
  }
  const limits = resolveLimits({ maxRequests, maxBytes: 2_000_000 });
  const shards: unknown[] = [];
  const progress = await sealPartition({ directory, jobName: 'j', limits }, partition, watched(), {
    head: undefined,
    onSeal: async (shard, at) => void shards.push(shard, at),
    fromStart: false,
    signal: undefined,
  });
  const files: Record<string, string> = {};
  const folder = directory === null ? null : join(directory, 'shards');
  for (const name of folder === null ? [] : (await readdir(folder)).sort()) {
    files[name] = await readFile(join(folder!, name), 'utf8');
  }
  return { spliced, made: { files, shards, progress } };
}

/** Seals a source in both ways, and says what came of it when they agree. */
export async function same(
  input: Input,
  request: RequestDefinition,
  maxRequests?: number,
  write?: boolean,
  options?: SourceOptions,
) {
  const plain = await seal(input, request, false, maxRequests, write, options);
  const fast = await seal(input, request, true, maxRequests, write, options);
  expect(plain.spliced).toBe(0);
  expect(fast.made).toEqual(plain.made);
  return { spliced: fast.spliced, ...fast.made.progress };
}

/** A file of its own with this text. */
export async function fileOf(name: string, text: string): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await writeFile(path, text);
  return path;
}
