import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import type { ResultRow } from '../../src/core/result.ts';
import type { Sink } from '../../src/core/sink.ts';
import { createSink, parseOutputName } from '../../src/sinks/create-sink.ts';
import { isLineSink } from '../../src/sinks/line-sink.ts';
import { NdjsonSink } from '../../src/sinks/ndjson.ts';
import { Folder, failedRow, okRow } from './helpers.ts';

async function writeAll(sink: Sink, rows: readonly ResultRow[]): Promise<void> {
  for (const row of rows) await sink.write(row);
  await sink.close();
}

const ROWS = [okRow(0, { a: 'x' }), failedRow(1, { a: 'y\u2028"' })];
const NDJSON = ROWS.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('createSink', () => {
  test.each([
    ['o.ndjson', (bytes: Buffer) => bytes],
    ['o.jsonl', (bytes: Buffer) => bytes],
    ['O.NDJSON', (bytes: Buffer) => bytes],
    ['o.ndjson.gz', gunzipSync],
    ['o.csv.x.jsonl.zst', zstdDecompressSync],
  ])('writes %s as it is named', async (name, unpack) => {
    using folder = new Folder();
    await writeAll(createSink(folder.file(name)), ROWS);
    expect(unpack(readFileSync(folder.file(name))).toString('utf8')).toBe(NDJSON);
    expect(folder.names()).toEqual([name]);
  });

  test.each(['o.ndjson', 'o.csv', 'o.ndjson.gz', 'o.csv.zst'])(
    'shows %s only when it is whole',
    async (name) => {
      using folder = new Folder();
      const path = folder.file(name);
      writeFileSync(path, 'older');
      const big = okRow(0, { a: 'x'.repeat(300_000) });
      const sink = createSink(path);
      for (let n = 0; n < 5; n++) await sink.write(big);
      expect(readFileSync(path, 'utf8')).toBe('older');
      await sink.close();
      expect(statSync(path).size).toBeGreaterThan(5);
      expect(readFileSync(path, 'utf8')).not.toBe('older');
      expect(folder.names()).toEqual([name]);
    },
  );

  test.each(['o.ndjson', 'o.csv', 'o.tsv', 'o.ndjson.gz', 'o.csv.zst'])(
    'leaves nothing of an aborted %s',
    async (name) => {
      using folder = new Folder();
      const sink = createSink(folder.file(name), { columns: ['a'] });
      for (let n = 0; n < 5; n++) await sink.write(okRow(n, { a: 'x'.repeat(300_000) }));
      await sink.abort();
      expect(folder.names()).toEqual([]);
    },
  );

  test.each(['o.ndjson', 'o.ndjson.gz'])(
    'writes an empty %s when there are no rows',
    async (name) => {
      using folder = new Folder();
      await createSink(folder.file(name)).close();
      const bytes = readFileSync(folder.file(name));
      expect(name.endsWith('.gz') ? gunzipSync(bytes).length : bytes.length).toBe(0);
    },
  );

  test('passes lines of bytes through, mixed with rows and of any length', async () => {
    using folder = new Folder();
    const path = folder.file('o.ndjson');
    const sink = createSink(path);
    if (!isLineSink(sink)) throw new Error('the NDJSON sink takes lines');
    const rows = [okRow(0, 'é'), okRow(1, 'x'.repeat(600_000)), okRow(2, 'y'), okRow(3, 'z')];
    for (const [index, row] of rows.entries()) {
      if (index % 2 === 0) await sink.write(row);
      else await sink.writeLine(Buffer.from(JSON.stringify(row)));
    }
    await sink.close();
    expect(readFileSync(path, 'utf8')).toBe(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });

  test.each(['gz', 'zst'])(
    'compresses what was written, not what came after it: %s',
    async (kind) => {
      using folder = new Folder();
      const path = folder.file(`o.ndjson.${kind}`);
      const sink = createSink(path);
      const rows = [50, 220, 30, 230, 10].map((kib, n) => okRow(n, String(n).repeat(kib * 1024)));
      for (const row of rows) await sink.write(row);
      await sink.close();
      const unpack = kind === 'gz' ? gunzipSync : zstdDecompressSync;
      const text = unpack(readFileSync(path)).toString('utf8');
      expect(text === rows.map((row) => `${JSON.stringify(row)}\n`).join('')).toBe(true);
    },
  );

  test('aborts an output that cannot be closed', async () => {
    const calls: string[] = [];
    const sink = new NdjsonSink({
      write: async () => {
        throw new Error('no room');
      },
      close: async () => void calls.push('close'),
      abort: async () => void calls.push('abort'),
    });
    await sink.write(okRow(0, 'x'));
    await expect(sink.close()).rejects.toThrow('no room');
    expect(calls).toEqual(['abort']);
  });

  test('takes no lines where rows are made flat', () => {
    using folder = new Folder();
    expect(isLineSink(createSink(folder.file('o.csv')))).toBe(false);
    expect(isLineSink(createSink(folder.file('o.ndjson'), { flat: true }))).toBe(false);
  });

  test('makes flat objects of NDJSON', async () => {
    using folder = new Folder();
    const rows = [
      okRow(0, { a: { b: 1 } }, 'yes'),
      failedRow(1, { content: 'mine' }),
      okRow(2, [7]),
    ];
    await writeAll(createSink(folder.file('o.ndjson'), { flat: true }), rows);
    const answer = { finish_reason: 'stop', status: 'ok', error: null };
    const tokens = { prompt_tokens: 10, completion_tokens: 2 };
    const objects = readFileSync(folder.file('o.ndjson'), 'utf8').trimEnd().split('\n');
    expect(objects.map((line) => JSON.parse(line))).toEqual([
      { a: { b: 1 }, content: 'yes', ...answer, ...tokens },
      {
        content: 'mine',
        answer_content: null,
        finish_reason: null,
        status: 'failed',
        error: 'batch_expired: too late',
        prompt_tokens: null,
        completion_tokens: null,
      },
      { record: [7], content: 'answer 2', ...answer, ...tokens },
    ]);
  });

  test('writes to standard output and leaves it open', async () => {
    const stdout = new PassThrough();
    await writeAll(createSink('-', { stdout }), ROWS);
    expect(stdout.writableEnded).toBe(false);
    expect(String(stdout.read())).toBe(NDJSON);
    expect(stdout.listenerCount('error')).toBe(0);
  });

  test('reports a broken pipe to the writer and does not crash', async () => {
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        done(new Error('EPIPE'));
      },
    });
    const sink = createSink('-', { stdout });
    await sink.write(okRow(0, 'x'));
    await expect(sink.close()).rejects.toThrow('EPIPE');
  });

  test('reports a failing compressed output and leaves no temporary file', async () => {
    using folder = new Folder();
    const path = folder.file('o.ndjson.gz');
    const sink = createSink(path);
    mkdirSync(path);
    await sink.write(okRow(0, 'x'));
    await expect(sink.close()).rejects.toThrow('it is a directory');
    expect(folder.names()).toEqual(['o.ndjson.gz']);
  });

  test.each([
    ['out.txt', /\.ndjson, \.jsonl, \.csv, \.tsv.*\.gz or \.zst/],
    ['out.gz', /cannot tell the format/],
    ['out.parquet', /not in this version/],
    ['nowhere/out.csv', /no folder nowhere; make it first/],
  ])('refuses %s with what to do', (out, message) => {
    expect(() => createSink(out)).toThrow(UsageError);
    expect(() => createSink(out)).toThrow(message);
  });

  test('refuses a directory and a symbolic link', () => {
    using folder = new Folder();
    mkdirSync(folder.file('d.csv'));
    symlinkSync(folder.file('target.csv'), folder.file('l.csv'));
    expect(() => createSink(folder.file('d.csv'))).toThrow(/it is a directory; name a file/);
    expect(() => createSink(folder.file('l.csv'))).toThrow(/symbolic link; name its target/);
  });

  test('reads format and compression off a name', () => {
    expect(parseOutputName('a/b.CSV.GZ')).toEqual({ format: 'csv', compression: 'gz' });
    expect(parseOutputName('-')).toEqual({ format: 'ndjson', compression: null });
  });
});
