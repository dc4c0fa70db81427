import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RejectedRecord, SourceRecord } from '../../src/core/record.ts';
import { readBlocks } from '../../src/streams/blocks.ts';
import {
  compress,
  compressionOfBytes,
  compressionOfName,
  decompress,
} from '../../src/streams/compression.ts';
import { LineSplitter, splitLines } from '../../src/streams/lines.ts';
import { mapRecords } from '../../src/streams/records.ts';
import { asTransform, defineStage } from '../../src/streams/stage.ts';
import { ZstdFrames } from '../../src/streams/zstd-frames.ts';

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Counts for ever; tells how far it got and whether it was closed. */
function counter() {
  const state = { given: 0, closed: false };
  async function* count(): AsyncGenerator<number> {
    try {
      for (;;) yield state.given++;
    } finally {
      state.closed = true;
    }
  }
  return { state, source: count() };
}

const double = defineStage<number, number>(async function* (source) {
  for await (const n of source) yield n * 2;
});

describe('defineStage', () => {
  it('stops a pipeline whose last step is an async function when the signal aborts', async () => {
    const { state, source } = counter();
    const controller = new AbortController();
    const run = pipeline(
      source,
      double,
      async (items: AsyncIterable<number>) => {
        for await (const item of items) if (item === 20) controller.abort();
      },
      { signal: controller.signal },
    );
    await expect(run).rejects.toThrow(/abort/i);
    expect(state.given).toBeLessThan(40);
  });

  it('does not begin when the signal is aborted already', async () => {
    const { state, source } = counter();
    await expect(all(double(source, { signal: AbortSignal.abort() }))).rejects.toThrow(/abort/i);
    expect(state.given).toBe(0);
  });

  it('closes its source when the consumer stops', async () => {
    const { state, source } = counter();
    for await (const item of double(source)) if (item > 4) break;
    expect(state.closed).toBe(true);
  });
});

describe('asTransform', () => {
  it('takes no more than its buffers while nobody reads', async () => {
    const { state, source } = counter();
    const transform = asTransform(double);
    Readable.from(source).pipe(transform);
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      const slow = new Writable({
        objectMode: true,
        highWaterMark: 1,
        write(item, _encoding, done) {
          seen.push(item);
          if (seen.length === 5) resolve();
          setImmediate(done);
        },
      });
      transform.pipe(slow);
    });
    expect(seen.slice(0, 5)).toEqual([0, 2, 4, 6, 8]);
    // Three object-mode buffers of 16 stand between the counter and the slow writer.
    expect(state.given).toBeLessThan(100);
    transform.destroy();
  });

  it('stops its stage when it is destroyed', async () => {
    let closed = false;
    const stage = defineStage<number, number>(async function* (source) {
      try {
        yield* source;
      } finally {
        closed = true;
      }
    });
    const transform = asTransform(stage);
    transform.on('error', () => undefined);
    transform.write(1);
    await new Promise((resolve) => transform.once('data', resolve));
    transform.destroy();
    transform.write(2, () => undefined);
    for (let i = 0; i < 100 && !closed; i++) await new Promise(setImmediate);
    expect(closed).toBe(true);
  });

  it('hands the error of its stage on', async () => {
    const failing = asTransform(
      defineStage<number, number>(async function* (source) {
        for await (const n of source) {
          if (n === 3) throw new Error('three');
          yield n;
        }
      }),
    );
    await expect(pipeline(Readable.from([1, 2, 3, 4]), failing, all)).rejects.toThrow('three');
  });
});

describe('mapRecords', () => {
  it('changes, drops and rejects records, and lets rejected ones pass', async () => {
    const position = { source: 's', row: 1, byte: 0 };
    const rejected = new RejectedRecord(null, position, { code: 'c', message: 'm' });
    const items = [1, 2, 3].map((n) => new SourceRecord(n, position));
    const stage = mapRecords<number, string>((n) =>
      n === 1 ? 'one' : n === 2 ? undefined : rejected,
    );
    expect(await all(stage(Readable.from([...items, rejected])))).toEqual([
      new SourceRecord('one', position),
      rejected,
      rejected,
    ]);
  });
});

describe('lines', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'ж', '\n', '\r', '\n'), maxLength: 60 });

  it('are those of split, at their offsets, whatever the chunks', () => {
    fc.assert(
      fc.property(piece, fc.integer({ min: 1, max: 9 }), (text, size) => {
        const bytes = Buffer.from(text);
        const splitter = new LineSplitter({ startAt: 1000 });
        const lines: string[] = [];
        const take = (found: ReturnType<LineSplitter['push']>) => {
          for (let i = 0; i < found.count; i++) {
            const line = found.data.subarray(found.bounds[i * 2], found.bounds[i * 2 + 1]);
            const byte = found.byteOf(i) - 1000;
            expect(line.equals(bytes.subarray(byte, byte + line.length))).toBe(true);
            lines.push(line.toString());
          }
        };
        for (let at = 0; at < bytes.length; at += size) {
          take(splitter.push(Buffer.from(bytes.subarray(at, at + size))));
        }
        expect(splitter.openByte).toBe(1000 + bytes.lastIndexOf(10) + 1);
        take(splitter.flush());
        expect(splitter.openByte).toBe(1000 + bytes.length);
        const expected = text.split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(lines).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('over the limit are marked and not kept', () => {
    for (const size of [1, 2, 3, 100]) {
      const splitter = new LineSplitter({ maxLineBytes: 3 });
      const found: [number, boolean][] = [];
      const take = (lines: ReturnType<LineSplitter['push']>) => {
        for (let i = 0; i < lines.count; i++) {
          found.push([lines.byteOf(i), lines.bounds[i * 2 + 1] === -1]);
        }
      };
      const bytes = Buffer.from('abc\r\nabcdefgh\nx\nabcd');
      for (let at = 0; at < bytes.length; at += size)
        take(splitter.push(bytes.subarray(at, at + size)));
      take(splitter.flush());
      expect(found).toEqual([
        [0, false],
        [5, true],
        [14, false],
        [16, true],
      ]);
    }
  });

  it('as a stage are copies that stay as they are', async () => {
    async function* reused() {
      const block = Buffer.from('ab\nc');
      yield block;
      block.write('d\nef');
      yield block;
    }
    expect((await all(splitLines()(reused()))).map(String)).toEqual(['ab', 'cd', 'ef']);
  });
});

describe('compression', () => {
  it('is known by the name and by the first bytes', () => {
    expect(['a.csv.gz', 'a.ZST', 'a.csv', 'gz'].map(compressionOfName)).toEqual([
      'gzip',
      'zstd',
      null,
      null,
    ]);
    expect(compressionOfBytes(gzipSync('x'))).toBe('gzip');
    expect(compressionOfBytes(Buffer.from('id,text'))).toBeNull();
  });

  it.each(['gzip', 'zstd'] as const)('%s packs and unpacks streams', async (kind) => {
    const data = Buffer.concat([randomBytes(300_000), Buffer.alloc(2_000_000, 'text ')]);
    const chunks = [data.subarray(0, 7), data.subarray(7, 1_000_000), data.subarray(1_000_000)];
    const packed = Buffer.concat(await all(compress(kind)(Readable.from(chunks))));
    const reference = kind === 'gzip' ? gunzipSync(packed) : zstdDecompressSync(packed);
    expect(reference.equals(data)).toBe(true);
    const twice = Buffer.concat([packed, packed]);
    for (const at of [1, 11, packed.length - 1, packed.length, packed.length + 2]) {
      const pieces = [twice.subarray(0, at), twice.subarray(at)];
      const plain = Buffer.concat(await all(decompress(kind)(Readable.from(pieces))));
      expect(plain.equals(Buffer.concat([data, data]))).toBe(true);
    }
  });

  it('zstd passes over frames that hold no data, and finds frames in chunks of any size', async () => {
    const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
    const skippable = Buffer.from('532a4d1805000000aabbccddee', 'hex');
    const frames = [
      zstdCompressSync('one '.repeat(1000), checksum),
      skippable,
      zstdCompressSync(''),
      zstdCompressSync('x'),
      zstdCompressSync(randomBytes(200_000).toString('base64'), checksum),
      skippable,
      zstdCompressSync('two'),
    ];
    const plain = frames.filter((f) => f !== skippable).map((f) => zstdDecompressSync(f));
    const file = Buffer.concat(frames);
    for (const size of [1, 997, 65_536, file.length]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < file.length; at += size) chunks.push(file.subarray(at, at + size));
      if (size === 1) {
        const cutter = new ZstdFrames();
        expect(chunks.flatMap((chunk) => cutter.cut(chunk))).toHaveLength(file.length);
        continue;
      }
      const unpacked = await all(decompress('zstd')(Readable.from(chunks)));
      expect(Buffer.concat(unpacked).equals(Buffer.concat(plain))).toBe(true);
    }
    const cutter = new ZstdFrames();
    expect(cutter.cut(file).map((piece) => piece.length)).toEqual(frames.map((f) => f.length));
  });

  it.each(['gzip', 'zstd'] as const)('%s that is damaged or cut off is an error', async (kind) => {
    const [...parts] = await all(compress(kind)(Readable.from([randomBytes(5000)])));
    const packed = Buffer.concat(parts);
    for (const bad of [packed.subarray(0, 3000), Buffer.from('not packed at all')]) {
      await expect(all(decompress(kind, 'a.gz')(Readable.from([bad])))).rejects.toMatchObject({
        code: 'bad_compression',
        message: expect.stringContaining('a.gz'),
      });
    }
  });

  it('hands on the error of its source', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield gzipSync('x').subarray(0, 5);
      throw new Error('disk');
    }
    await expect(all(decompress('gzip')(failing()))).rejects.toThrow('disk');
  });
});

describe('blocks', () => {
  it('are the bytes of the range, in order', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-blocks-'));
    try {
      const data = randomBytes(10_000);
      const path = join(dir, 'data');
      await writeFile(path, data);
      for (const [start, end] of [
        [0, null],
        [17, 9_000],
        [9_999, null],
        [10_000, null],
        [5, 5],
      ] as const) {
        const parts: Buffer[] = [];
        for await (const block of readBlocks(path, { start, end, blockBytes: 777 })) {
          expect(block.length).toBeLessThanOrEqual(777);
          parts.push(Buffer.from(block));
        }
        expect(Buffer.concat(parts).equals(data.subarray(start, end ?? undefined))).toBe(true);
      }
      for await (const block of readBlocks(path, { blockBytes: 10 })) {
        expect(block.length).toBe(10);
        break;
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
