// How fast do bytes become lines, beside readline and `wc -l`?
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { LineSplitter } from '../src/streams/lines.ts';
import { compiled } from './lib/build.ts';
import { dataFile } from './lib/data.ts';
import { ask } from './lib/harness.ts';

await ask({
  name: 'lines',
  question: 'bytes into lines',
  runs: 5,
  input: (size = '1g') => dataFile('ndjson', size),
  contenders: [
    {
      name: 'millrace',
      ours: true,
      async run({ path }) {
        const blocks = await compiled<typeof import('../src/streams/blocks.ts')>('streams/blocks');
        const streams = await compiled<typeof import('../src/streams/lines.ts')>('streams/lines');
        const splitter = new streams.LineSplitter();
        let lines = 0;
        let bytes = 0;
        const add = ({ count, bounds }: LineSplitter) => {
          lines += count;
          for (let i = 0; i < count * 2; i += 2) bytes += bounds[i + 1]! - bounds[i]!;
        };
        for await (const block of blocks.readBlocks(path)) {
          splitter.push(block);
          add(splitter);
        }
        splitter.flush();
        add(splitter);
        return { lines, bytes };
      },
    },
    {
      name: 'readline',
      async run({ path }) {
        let lines = 0;
        let bytes = 0;
        for await (const line of createInterface({ input: createReadStream(path) })) {
          lines++;
          bytes += Buffer.byteLength(line);
        }
        return { lines, bytes };
      },
    },
    { name: 'wc -l', shell: 'wc -l < "$INPUT"' },
    { name: 'cat > /dev/null', shell: 'cat "$INPUT" > /dev/null' },
  ],
});
