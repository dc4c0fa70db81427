import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import type { BatchService, Upload } from '../../src/core/service.ts';
import {
  azureOpenAI,
  buildRequests,
  countTokens,
  openJob,
  submitShards,
  writeShards,
} from '../../src/index.ts';
import { takeDirectBlock } from '../../src/streams/direct.ts';

/** More than a reading of a shard has blocks. */
const BLOCKS = 6;
const SPARES = 32;

/** Reads `blocks` shared blocks of an upload, and then says that it has all of it. */
function hastyService(service: BatchService, blocks: number, seen: Uint8Array[]): BatchService {
  const uploadFile = async (upload: Upload) => {
    for await (const block of upload.open({ shared: true })) {
      seen.push(block);
      if (seen.length === blocks) break;
    }
    return {
      ...{ id: 'file-1', name: upload.name, bytes: upload.bytes, status: 'processed' as const },
      ...{ purpose: 'batch', createdAt: 0, expiresAt: null },
    };
  };
  return new Proxy(service, {
    get: (target, key) => {
      if (key === 'uploadFile') return uploadFile;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function blocksGivenBack(blocksRead: number): Promise<boolean> {
  await using job = await openJob(join(mkdtempSync(join(tmpdir(), 'millrace-')), 'x.job'));
  const text = 'word '.repeat(40_000);
  await pipeline(
    Readable.from(Array.from({ length: BLOCKS * 5 }, () => ({ text }))),
    buildRequests<{ text: string }>({ model: 'gpt-4o', prompt: '{{text}}' }),
    countTokens({ model: 'gpt-4o' }),
    writeShards(job),
  );
  const target = azureOpenAI({ endpoint: 'http://127.0.0.1:1', apiKey: 'k', retry: { tries: 1 } });
  const seen: Uint8Array[] = [];
  const stop = new AbortController();
  const service = hastyService(target.service, blocksRead, seen);
  const { done } = submitShards(job, { ...target, service }, { signal: stop.signal });
  const ended = done.catch((error: unknown) => error);
  for (;;) {
    const [shard] = await job.store.read((tx) => tx.shards({}));
    if (shard?.fileId === 'file-1') break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  stop.abort();
  await ended;
  await target.service.close();
  const looked = new Set(seen.map(({ buffer }) => buffer));
  const spares = Array.from({ length: SPARES }, () => takeDirectBlock());
  return spares.some((spare) => looked.has(spare.buffer));
}

test('blocks are used again after an upload that was read whole, and never after one that was not', async () => {
  expect(await blocksGivenBack(3)).toBe(false);
  expect(await blocksGivenBack(Number.POSITIVE_INFINITY)).toBe(true);
});
