// How fast does NDJSON become objects?
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { compiled } from './lib/build.ts';
import { type BenchRecord, dataFile } from './lib/data.ts';
import { queryRow } from './lib/duckdb.ts';
import { ask } from './lib/harness.ts';

await ask({
  name: 'ndjson',
  question: 'NDJSON into objects',
  input: (size = '100m') => dataFile('ndjson', size),
  contenders: [
    {
      name: 'millrace',
      ours: true,
      async run({ path }) {
        const { describeSource } =
          await compiled<typeof import('../src/sources/describe.ts')>('sources/describe');
        const { readPartition } =
          await compiled<typeof import('../src/sources/read.ts')>('sources/read');
        let rows = 0;
        let chars = 0;
        for await (const { items } of readPartition(await describeSource(path))) {
          for (const { record } of items) {
            rows++;
            chars += (record as BenchRecord).text.length;
          }
        }
        return { rows, chars };
      },
    },
    {
      name: 'readline + JSON.parse',
      async run({ path }) {
        let rows = 0;
        let chars = 0;
        for await (const line of createInterface({ input: createReadStream(path) })) {
          rows++;
          chars += (JSON.parse(line) as BenchRecord).text.length;
        }
        return { rows, chars };
      },
    },
    {
      name: 'stream-json jsonl',
      async run({ path }) {
        const { default: parser } = await import('stream-json/jsonl/parser.js');
        let rows = 0;
        let chars = 0;
        const items = createReadStream(path).pipe(parser.asStream());
        for await (const { value } of items as AsyncIterable<{ value: BenchRecord }>) {
          rows++;
          chars += value.text.length;
        }
        return { rows, chars };
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
