// How fast does one JSON array become its elements?
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { compiled } from './lib/build.ts';
import { type BenchRecord, dataFile } from './lib/data.ts';
import { ask } from './lib/harness.ts';
import { RecordSum } from './lib/sum.ts';

const BLOCK = { highWaterMark: 256 * 1024 };

await ask({
  name: 'json',
  question: 'one JSON array into its records',
  input: (size = '300m') => dataFile('json', size),
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
      name: 'millrace, parseJson of a stream',
      ours: true,
      async run({ path }) {
        const { parseJson } =
          await compiled<typeof import('../src/sources/json.ts')>('sources/json');
        const sum = new RecordSum();
        for await (const { record } of parseJson<BenchRecord>()(createReadStream(path, BLOCK))) {
          sum.add(record as BenchRecord);
        }
        return sum.answer;
      },
    },
    {
      name: 'stream-json',
      once: true,
      async run({ path }) {
        const { default: chain } = await import('stream-chain');
        const { default: parser } = await import('stream-json');
        const { streamArray } = await import('stream-json/streamers/stream-array.js');
        const sum = new RecordSum();
        const items = chain([createReadStream(path, BLOCK), parser(), streamArray()]);
        for await (const { value } of items as AsyncIterable<{ value: BenchRecord }>) {
          sum.add(value);
        }
        return sum.answer;
      },
    },
    {
      name: 'JSON.parse of the whole file',
      upTo: 500e6, // a string holds 2^29 characters
      async run({ path }) {
        const all = JSON.parse(await readFile(path, 'utf8')) as BenchRecord[];
        const sum = new RecordSum();
        for (const record of all) sum.add(record);
        return sum.answer;
      },
    },
    { name: 'cat > /dev/null', shell: 'cat "$INPUT" > /dev/null' },
  ],
});
