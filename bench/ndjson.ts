// How fast does NDJSON become objects?
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { compiled } from './lib/build.ts';
import { type BenchRecord, dataFile } from './lib/data.ts';
import { queryRow } from './lib/duckdb.ts';
import { ask } from './lib/harness.ts';
import { RecordSum } from './lib/sum.ts';

const BLOCK = { highWaterMark: 256 * 1024 };

await ask({
  name: 'ndjson',
  question: 'NDJSON into objects',
  input: (size = '300m') => dataFile('ndjson', size),
  contenders: [
    {
      name: 'millrace',
      ours: true,
      async run({ path }) {
        const { openSource } =
          await compiled<typeof import('../src/sources/read.ts')>('sources/read');
        const sum = new RecordSum();
        for await (const { record } of openSource<BenchRecord>(path)) {
          sum.add(record as BenchRecord);
        }
        return sum.answer;
      },
    },
    {
      name: 'millrace, parseNdjson of a stream',
      ours: true,
      async run({ path }) {
        const { parseNdjson } =
          await compiled<typeof import('../src/sources/ndjson.ts')>('sources/ndjson');
        const sum = new RecordSum();
        for await (const { record } of parseNdjson<BenchRecord>()(createReadStream(path, BLOCK))) {
          sum.add(record as BenchRecord);
        }
        return sum.answer;
      },
    },
    {
      name: 'readline + JSON.parse',
      async run({ path }) {
        const sum = new RecordSum();
        for await (const line of createInterface({ input: createReadStream(path, BLOCK) })) {
          sum.add(JSON.parse(line) as BenchRecord);
        }
        return sum.answer;
      },
    },
    {
      name: 'stream-json jsonl',
      async run({ path }) {
        const { default: parser } = await import('stream-json/jsonl/parser.js');
        const sum = new RecordSum();
        const items = createReadStream(path, BLOCK).pipe(parser.asStream());
        for await (const { value } of items as AsyncIterable<{ value: BenchRecord }>) {
          sum.add(value);
        }
        return sum.answer;
      },
    },
    {
      name: 'DuckDB, 2 threads, sums only',
      differs: 'counts characters as code points and makes no rows',
      async run({ path }) {
        const [rows, chars] = await queryRow(
          `select count(*), sum(length(text)) from read_json('${path}', format='newline_delimited')`,
        );
        return { rows: Number(rows), chars: Number(chars) };
      },
    },
    { name: 'cat > /dev/null', shell: 'cat "$INPUT" > /dev/null' },
  ],
});
