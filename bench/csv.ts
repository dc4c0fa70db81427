// How fast does CSV become records, every field a string, beside the parsers that people use?
import { createReadStream } from 'node:fs';
import { compiled } from './lib/build.ts';
import { dataFile } from './lib/data.ts';
import { queryRow } from './lib/duckdb.ts';
import { type Answer, ask } from './lib/harness.ts';
import { RecordSum, type TextRecord } from './lib/sum.ts';

const BLOCK = { highWaterMark: 256 * 1024 };

await ask({
  name: 'csv',
  question: 'CSV into records',
  input: (size = '300m') => dataFile('csv', size),
  contenders: [
    {
      name: 'millrace',
      ours: true,
      async run({ path }) {
        const { openSource } =
          await compiled<typeof import('../src/sources/read.ts')>('sources/read');
        const sum = new RecordSum();
        for await (const { record } of openSource<TextRecord>(path)) sum.add(record as TextRecord);
        return sum.answer;
      },
    },
    {
      name: 'millrace, parseCsv of a stream',
      ours: true,
      async run({ path }) {
        const { parseCsv } = await compiled<typeof import('../src/sources/csv.ts')>('sources/csv');
        const sum = new RecordSum();
        for await (const { record } of parseCsv<TextRecord>()(createReadStream(path, BLOCK))) {
          sum.add(record as TextRecord);
        }
        return sum.answer;
      },
    },
    {
      name: 'millrace, offsets only',
      differs: 'makes no strings',
      async run({ path }) {
        const { cutPartitions } =
          await compiled<typeof import('../src/sources/partitions.ts')>('sources/partitions');
        const { describeSource } =
          await compiled<typeof import('../src/sources/describe.ts')>('sources/describe');
        const parts = await cutPartitions(await describeSource(path));
        return { rows: parts.reduce((rows, { records }) => rows + (records ?? 0), 0) };
      },
    },
    {
      name: 'udsv',
      async run({ path }) {
        const { inferSchema, initParser } = await import('udsv');
        const sum = new RecordSum();
        let parser: ReturnType<typeof initParser> | undefined;
        // Their way with streams: a decoder, since chunk.toString() breaks characters in two.
        const decoder = new TextDecoder();
        for await (const chunk of createReadStream(path, BLOCK)) {
          const text = decoder.decode(chunk as Buffer, { stream: true });
          if (parser === undefined) {
            parser = initParser(inferSchema(text));
          }
          parser.chunk(text, parser.stringObjs, (row: TextRecord) => sum.add(row));
        }
        parser!.end();
        return sum.answer;
      },
    },
    {
      name: 'papaparse',
      async run({ path }) {
        const { default: papa } = await import('papaparse');
        const sum = new RecordSum();
        const stream = createReadStream(path, BLOCK).setEncoding('utf8');
        return new Promise<Answer>((resolve, reject) => {
          papa.parse(stream, {
            header: true,
            skipEmptyLines: true,
            step: ({ data }: { data: TextRecord }) => sum.add(data),
            complete: () => resolve(sum.answer),
            error: reject,
          });
        });
      },
    },
    {
      name: 'csv-parser',
      once: true,
      async run({ path }) {
        const { default: csv } = await import('csv-parser');
        const sum = new RecordSum();
        for await (const row of createReadStream(path, BLOCK).pipe(csv()))
          sum.add(row as TextRecord);
        return sum.answer;
      },
    },
    {
      name: 'csv-parse',
      async run({ path }) {
        const { parse } = await import('csv-parse');
        const sum = new RecordSum();
        const rows = createReadStream(path, BLOCK).pipe(parse({ columns: true, bom: true }));
        for await (const row of rows) sum.add(row as TextRecord);
        return sum.answer;
      },
    },
    {
      name: 'fast-csv',
      once: true,
      async run({ path }) {
        const { parse } = await import('fast-csv');
        const sum = new RecordSum();
        const rows = createReadStream(path, BLOCK).pipe(parse({ headers: true }));
        for await (const row of rows) sum.add(row as TextRecord);
        return sum.answer;
      },
    },
    {
      name: 'DuckDB, sums only',
      differs: 'counts code points, makes no rows; its parallel reader refuses the file',
      async run({ path }) {
        const [rows, chars] = await queryRow(
          `select count(*), sum(length(id) + length(title) + length(text)) from
           read_csv('${path}', header=true, all_varchar=true, max_line_size=1000000, parallel=false)`,
        );
        return { rows: Number(rows), chars: Number(chars) };
      },
    },
    { name: 'cat > /dev/null', shell: 'cat "$INPUT" > /dev/null' },
  ],
});
