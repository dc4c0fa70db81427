// How fast does one JSON array become its elements?
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { compiled } from './lib/build.ts';
import { type BenchRecord, dataFile } from './lib/data.ts';
import { ask } from './lib/harness.ts';

await ask({
  name: 'json',
  question: 'one JSON array into its records',
  input: (size = '100m') => dataFile('json', size),
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
      name: 'stream-json',
      once: true,
      async run({ path }) {
        const { default: chain } = await import('stream-chain');
        const { default: parser } = await import('stream-json');
        const { streamArray } = await import('stream-json/streamers/stream-array.js');
        let rows = 0;
        let chars = 0;
        const items = chain([createReadStream(path), parser(), streamArray()]);
        for await (const { value } of items as AsyncIterable<{ value: BenchRecord }>) {
          rows++;
          chars += value.text.length;
        }
        return { rows, chars };
      },
    },
    {
      name: 'JSON.parse of the whole file',
      async run({ path }) {
        const all = JSON.parse(await readFile(path, 'utf8')) as BenchRecord[];
        return { rows: all.length, chars: all.reduce((sum, { text }) => sum + text.length, 0) };
      },
    },
    { name: 'cat > /dev/null', shell: 'cat "$INPUT" > /dev/null' },
  ],
});
