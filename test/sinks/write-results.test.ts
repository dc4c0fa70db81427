import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as setImmediatePromise } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import type { ResultRow } from '../../src/core/result.ts';
import { toWritable } from '../../src/sinks/writable.ts';
import { writeResults } from '../../src/sinks/write-results.ts';
import { Folder, failedRow, okRow } from './helpers.ts';

async function* rowsOf(count: number): AsyncGenerator<ResultRow> {
  for (let n = 0; n < count; n++) yield n % 3 ? okRow(n, { n }) : failedRow(n, { n });
}

/** Takes a row at a time, each after a turn of the event loop. */
class SlowWritable extends Writable {
  readonly rows: ResultRow[] = [];
  most = 0;

  constructor() {
    super({ objectMode: true, highWaterMark: 2 });
  }

  override _write(row: ResultRow, _encoding: string, done: () => void): void {
    setImmediate(() => {
      this.most = Math.max(this.most, this.writableLength);
      this.rows.push(row);
      done();
    });
  }
}

describe('writeResults', () => {
  test('is the end of a pipeline and counts what it wrote', async () => {
    using folder = new Folder();
    const path = folder.file('o.ndjson');
    const counts = await pipeline(rowsOf(10), writeResults(path));
    expect(counts).toEqual({ rows: 10, ok: 6, failed: 4, rejected: 0 });
    expect(readFileSync(path, 'utf8').split('\n').length).toBe(11);
  });

  test('refuses a name it does not know before there are rows', () => {
    expect(() => writeResults('out.xml')).toThrow(UsageError);
  });

  test('leaves nothing behind when the rows fail', async () => {
    using folder = new Folder();
    async function* failing() {
      yield* rowsOf(3);
      throw new Error('source failed');
    }
    const writing = pipeline(failing(), writeResults(folder.file('o.csv'), { columns: ['n'] }));
    await expect(writing).rejects.toThrow('source failed');
    expect(folder.names()).toEqual([]);
  });

  test('leaves nothing behind when it is aborted', async () => {
    using folder = new Folder();
    const controller = new AbortController();
    async function* endless() {
      for (let n = 0; ; n++) {
        if (n === 100) controller.abort();
        yield okRow(n, { n });
      }
    }
    const { signal } = controller;
    const writing = pipeline(endless(), writeResults(folder.file('o.ndjson')), { signal });
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    await setImmediatePromise();
    await expect.poll(() => folder.names()).toEqual([]);
  });

  test('takes a sink of the user', async () => {
    const seen: string[] = [];
    const counts = await writeResults({
      write: (row: ResultRow) => void seen.push(row.status),
      close: async () => void seen.push('closed'),
      abort: async () => void seen.push('aborted'),
    })(rowsOf(2));
    expect(seen).toEqual(['failed', 'ok', 'closed']);
    expect(counts.rows).toBe(2);
  });
});

describe('toWritable', () => {
  test('respects the back-pressure of a Writable in object mode', async () => {
    const writable = new SlowWritable();
    await writeResults(writable)(rowsOf(50));
    expect(writable.rows.map((row) => row.ordinal)).toEqual(
      Array.from({ length: 50 }, (_, n) => n),
    );
    expect(writable.most).toBeLessThanOrEqual(2);
    expect(writable.listenerCount('drain')).toBe(0);
  });

  test('a writer that does not wait would be seen', async () => {
    const writable = new SlowWritable();
    for await (const row of rowsOf(50)) writable.write(row);
    await setImmediatePromise();
    expect(writable.most).toBeGreaterThan(2);
  });

  test('gives lines of JSON to a Writable that is not in object mode', async () => {
    const chunks: Buffer[] = [];
    const writable = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    await writeResults(writable)(rowsOf(2));
    const lines = Buffer.concat(chunks).toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).ordinal)).toEqual([0, 1]);
  });

  test.each([false, true])(
    'throws what the Writable failed with (while waiting: %s)',
    async (waits) => {
      const writable = new Writable({
        objectMode: true,
        highWaterMark: waits ? 1 : 100,
        write(_row, _encoding, done) {
          setImmediate(() => done(new Error('target is full')));
        },
      });
      await expect(writeResults(writable)(rowsOf(5))).rejects.toThrow('target is full');
      expect(writable.destroyed).toBe(true);
    },
  );

  test('does not wait for ever on a Writable that is closed early', async () => {
    const writable = new SlowWritable();
    const sink = toWritable(writable);
    const write = async () => {
      for await (const row of rowsOf(50)) await sink.write(row);
    };
    setImmediate(() => writable.destroy());
    await expect(write()).rejects.toThrow();
  });

  test('destroys the Writable on abort', async () => {
    const writable = new SlowWritable();
    const rows = Readable.from(rowsOf(3)).map((row: ResultRow) => {
      if (row.ordinal === 2) throw new Error('row 2');
      return row;
    });
    const closed = once(writable, 'close');
    await expect(writeResults(writable)(rows)).rejects.toThrow('row 2');
    await closed;
    expect(writable.destroyed).toBe(true);
  });
});
