import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RejectedRecord, type SourceItem, SourceRecord } from '../../src/core/record.ts';
import { parseCsv } from '../../src/sources/csv.ts';
import {
  describeInput,
  describeSource,
  readCsvHeader,
  type SourceOptions,
} from '../../src/sources/describe.ts';
import { expandGlobs } from '../../src/sources/globs.ts';
import { fromIterable, readIterable } from '../../src/sources/iterable.ts';
import {
  countRecords,
  cutPartitions,
  likelyPartitions,
  partitionBytes,
} from '../../src/sources/partitions.ts';
import { openSource, readPartition, resumable } from '../../src/sources/read.ts';
import { fromSourceSpec, toSourceSpec } from '../../src/sources/spec.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-sources-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function records(path: string, options: SourceOptions = {}): Promise<unknown[]> {
  const items = await all(openSource(path, options));
  return items.map((item) => (item instanceof RejectedRecord ? item.error.code : item.record));
}

const CSV = 'id,text\n1,"ж, ""x""\nnew"\n2,日本語\n';
const ROWS = [
  { id: '1', text: 'ж, "x"\nnew' },
  { id: '2', text: '日本語' },
];

function utf16(text: string, bigEndian: boolean): Buffer {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
}

describe('opening by name', () => {
  const ndjson = ROWS.map((row) => JSON.stringify(row)).join('\n');
  const json = JSON.stringify({ data: { rows: ROWS } });
  it.each<[name: string, content: string | Uint8Array, options?: SourceOptions]>([
    ['a.csv', CSV],
    ['bom.csv', `\ufeff${CSV}`],
    ['a.tsv', CSV.replaceAll(',', '\t').replace('ж\t', 'ж,')],
    ['b.csv', CSV.replaceAll(',', ';').replace('ж;', 'ж,')],
    ['a.csv.gz', gzipSync(CSV)],
    ['members.csv.gz', Buffer.concat([gzipSync(CSV.slice(0, 20)), gzipSync(CSV.slice(20))])],
    ['a.csv.zst', zstdCompressSync(CSV)],
    ['unnamed-gzip.csv', gzipSync(CSV)],
    ['named-gzip-but-plain.csv.gz', CSV],
    ['le.csv', utf16(CSV, false)],
    ['be.csv', utf16(CSV, true)],
    ['le.csv.gz', gzipSync(utf16(CSV, false))],
    ['a.ndjson', ndjson],
    ['a.jsonl.gz', gzipSync(ndjson)],
    ['a.json', json, { jsonPath: 'data.rows' }],
    // Several blocks are looked at before it is known what the document is.
    ['late.json', ' '.repeat(2.5 * 1024 * 1024) + JSON.stringify(ROWS)],
    ['a.json.zst', zstdCompressSync(json), { jsonPath: 'data.rows' }],
    ['a.txt', CSV, { format: 'csv' }],
    ['b.txt', CSV.replace('id,text\n', ''), { format: 'csv', header: ['id', 'text'] }],
  ])('%s', async (name, content, options) => {
    expect(await records(await file(name, content), options)).toEqual(ROWS);
  });

  it('decodes other encodings', async () => {
    const bytes = Buffer.from('id,text\n1,\x80 \x93caf\xe9\x94\n', 'latin1');
    const path = await file('cp1252.csv', bytes);
    expect(await records(path, { encoding: 'latin1' })).toEqual([{ id: '1', text: '€ “café”' }]);
    await expect(records(path)).rejects.toThrow(/offset 10 .*--encoding windows-1252/);
    const sjis = await file('sjis.csv', Uint8Array.from([0x61, 10, 0x93, 0xfa, 0x96, 0x7b, 10]));
    expect(await records(sjis, { encoding: 'shift_jis' })).toEqual([{ a: '日本' }]);
    const broken = await file('broken.csv', Uint8Array.from([0x61, 10, 0x93, 10, 0x93]));
    await expect(records(broken, { encoding: 'shift_jis' })).rejects.toMatchObject({
      code: 'invalid_encoding',
    });
    await expect(records(path, { encoding: 'klingon' })).rejects.toThrow(/klingon/);
  });

  it('knows a CSV before any of its records is read', async () => {
    const path = await file('header.csv', '\ufeff\nid;text\r\n1;2\n');
    const described = await describeSource(path);
    expect(described).toMatchObject({
      format: 'csv',
      delimiter: ';',
      newline: 'lf',
      columns: ['id', 'text'],
      start: 13,
      seekable: true,
    });
    expect(await readCsvHeader(path)).toEqual(['id', 'text']);
    expect(fromSourceSpec(JSON.parse(JSON.stringify(toSourceSpec(described))))).toEqual(described);
    expect(await readCsvHeader(await file('empty.csv', ''))).toEqual([]);
    expect(await records(join(dir, 'empty.csv'))).toEqual([]);
  });

  it('reads standard input by the format that is given', async () => {
    const input = Readable.from([Buffer.from(CSV)]);
    const items = await all(openSource('-', { format: 'csv', input }));
    expect(items.map((item) => item.record)).toEqual(ROWS);
    expect(items[0]?.position).toEqual({ source: '<stdin>', row: 1, byte: 8 });
    await expect(describeSource('-')).rejects.toThrow(/--format/);
  });

  it.each([
    ['plain', Buffer.from(CSV)],
    ['packed', gzipSync(CSV)],
    ['UTF-16', utf16(CSV, false)],
    ['long', Buffer.from(CSV + '3,x\n'.repeat(50_000))],
  ])('knows the columns of a %s stream before it is read', async (_name, bytes) => {
    const chunks = [bytes.subarray(0, 2), bytes.subarray(2, 9), bytes.subarray(9)];
    const { source, input } = await describeInput(Readable.from(chunks), { format: 'csv' });
    expect(source).toMatchObject({ label: '<stdin>', columns: ['id', 'text'], seekable: false });
    const items = await all(openSource(source, { input }));
    expect(items.slice(0, 2).map((item) => item.record)).toEqual(ROWS);
    expect(items.length).toBe(bytes.length > 1000 ? 50_002 : 2);
  });

  it('refuses what it cannot read, and says what to do', async () => {
    await expect(describeSource(join(dir, 'missing.csv'))).rejects.toThrow(/no such file/);
    await expect(describeSource(dir, { format: 'csv' })).rejects.toThrow(/directory/);
    await expect(describeSource(await file('x.dat', ''))).rejects.toThrow(/--format/);
    const path = await file('y.ndjson', '{}');
    await expect(describeSource(path, { delimiter: ';' })).rejects.toThrow(/--delimiter.*ndjson/);
    await expect(describeSource(path, { jsonPath: 'a' })).rejects.toThrow(/--json-path.*ndjson/);
    const cut = await file('cut.csv.gz', gzipSync(CSV.repeat(1000)).subarray(0, 60));
    await expect(records(cut)).rejects.toMatchObject({ code: 'bad_compression' });
  });

  it('throws at the first bad row when it is strict', async () => {
    const path = await file('strict.csv', 'a,b\n1,2\n3\n');
    expect(await records(path)).toEqual([{ a: '1', b: '2' }, 'ragged_row']);
    await expect(records(path, { strict: true })).rejects.toMatchObject({
      code: 'ragged_row',
      message: expect.stringContaining('row 2, byte 8'),
    });
  });

  it('stops when the signal aborts', async () => {
    const controller = new AbortController();
    const path = await file('abort.csv', CSV.repeat(100));
    const reading = (async () => {
      for await (const _ of openSource(path, { signal: controller.signal })) controller.abort();
    })();
    await expect(reading).rejects.toThrow(/abort/i);
  });
});

describe('partitions', () => {
  const row = (i: number) =>
    `${i},"text ""${i}""\n${'x'.repeat(i % 50)}"\n${i % 7 === 0 ? '\n' : ''}`;
  const csv = `id,text\n${Array.from({ length: 2000 }, (_, i) => row(i)).join('')}`;
  const ndjson = Array.from({ length: 2000 }, (_, i) => `{"id":${i}}\n${i % 7 === 0 ? ' \n' : ''}`);

  it.each([
    ['parts.csv', csv],
    ['parts.ndjson', ndjson.join('')],
  ])(
    'of %s hold all records once, in order, with the positions of the whole',
    async (name, text) => {
      const source = await describeSource(await file(name, text));
      const whole = await all(openSource(source));
      expect(whole).toHaveLength(2000);
      const parts = await cutPartitions(source, { size: 5000 });
      expect(parts.length).toBeGreaterThan(4);
      const items: SourceItem<unknown>[] = [];
      for (const part of parts) {
        const before = items.length;
        const range = { start: part.start, end: part.end, row: before };
        for await (const batch of readPartition(source, range)) items.push(...batch.items);
        expect(items.length - before).toBe(part.records ?? (await countRecords(source, part)));
      }
      expect(items).toEqual(whole);
    },
  );

  it('end in halves of what is left, so that workers end together', async () => {
    const lines = Array.from({ length: 1000 }, () => 'x'.repeat(99)).join('\n');
    const bytes = async (name: string, size: number) => {
      const source = await describeSource(await file(name, lines));
      const parts = await cutPartitions(source, { size });
      expect(likelyPartitions(source, size)).toBe(parts.length);
      return parts.map(({ start, end }) => end! - start);
    };
    expect(await bytes('tail.ndjson', 30_000)).toEqual([
      30_000, 30_000, 20_000, 10_000, 5000, 2500, 2499,
    ]);
    expect(await bytes('tail.csv', 30_000)).toEqual([
      30_000, 30_000, 20_000, 10_000, 5000, 2500, 2399,
    ]);
    expect(await bytes('half.ndjson', 50_000)).toEqual([50_000, 49_999]);
  });

  it('can be gone on from behind any record', async () => {
    const source = await describeSource(await file('resume.csv', csv));
    const whole = await all(openSource(source));
    for await (const batch of readPartition(source)) {
      let last = null;
      for (const { item, next: point } of resumable(batch)) {
        last = point;
        if (item.position.row % 399 !== 0) continue;
        const range = { start: point!.byte, end: null, row: point!.row };
        const rest: SourceItem<unknown>[] = [];
        for await (const more of readPartition(source, range)) rest.push(...more.items);
        expect(rest).toEqual(whole.slice(item.position.row));
      }
      if (last !== null) expect(last).toEqual(batch.next());
    }
  });

  it('of what cannot be jumped into are one, uncounted', async () => {
    for (const name of ['one.csv.gz', 'one.json']) {
      const content = name.endsWith('gz') ? gzipSync(CSV) : '[]';
      const source = await describeSource(await file(name, content));
      expect(await cutPartitions(source)).toEqual([{ start: 0, end: null, records: null }]);
      await expect(
        all(readPartition(source, { start: 5, end: null, row: 0 })),
      ).rejects.toMatchObject({ code: 'usage' });
    }
  });

  it('of an empty file are one, with nothing in it', async () => {
    const source = await describeSource(await file('none.csv', 'a,b\n'));
    expect(await cutPartitions(source)).toEqual([{ start: 4, end: 4, records: 0 }]);
  });

  it('are a sixteenth of the source within 32 MiB and 1 GiB', () => {
    const mib = 2 ** 20;
    expect(partitionBytes(1000)).toBe(32 * mib);
    expect(partitionBytes(1600 * mib)).toBe(100 * mib);
    expect(partitionBytes(2 ** 40)).toBe(1024 * mib);
  });
});

describe('globs', () => {
  it('are sorted, keep names and standard input, and must match', async () => {
    const sub = join(dir, 'globs');
    await mkdir(sub);
    for (const name of ['b.csv', 'a.csv', 'c[1].csv']) await file(join('globs', name), '');
    expect(await expandGlobs([join(sub, '*.csv'), '-', join(sub, 'a.csv')])).toEqual([
      join(sub, 'a.csv'),
      join(sub, 'b.csv'),
      join(sub, 'c[1].csv'),
      '-',
    ]);
    expect(await expandGlobs([join(sub, 'c[1].csv')])).toEqual([join(sub, 'c[1].csv')]);
    await expect(expandGlobs([join(sub, '*.tsv')])).rejects.toThrow(/\*\.tsv: no file matches/);
    await expect(expandGlobs([])).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('iterables', () => {
  it('become records with rows and no bytes; items pass through', async () => {
    const rejected = new RejectedRecord(
      null,
      { source: 'x', row: 1, byte: 0 },
      { code: 'c', message: 'm' },
    );
    const items = await all(fromIterable<unknown>([{ a: 1 }, rejected]));
    expect(items).toEqual([
      new SourceRecord({ a: 1 }, { source: '<records>', row: 1, byte: -1 }),
      rejected,
    ]);
    const batches = await all(
      readIterable(Readable.from(Array.from({ length: 100 }, (_, n) => ({ n })))),
    );
    expect(batches.map((batch) => [...batch.items].length)).toEqual([64, 36]);
    expect(batches[0]?.next()).toBeNull();
  });
});

describe('parseCsv as a stage', () => {
  it('runs in a pipeline, takes strings, and throws when it is strict', async () => {
    const seen = await pipeline(Readable.from(['a,b\n1,', '2\n3\n']), parseCsv(), all);
    expect(seen.map((item) => item instanceof SourceRecord)).toEqual([true, false]);
    await expect(
      pipeline(Readable.from(['a,b\n1\n']), parseCsv({ strict: true }), all),
    ).rejects.toMatchObject({ code: 'ragged_row' });
  });
});
