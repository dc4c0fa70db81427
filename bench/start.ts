// How long until the command line answers, beside an empty run of Node?
import { join } from 'node:path';
import { built } from './lib/build.ts';
import { ask } from './lib/harness.ts';

const BIN = join(built(), 'cli', 'bin.js');

await ask({
  name: 'start',
  question: 'from the command to the prompt',
  runs: 15,
  input: () => ({ path: BIN, bytes: 0 }),
  contenders: [
    {
      name: 'millrace --help',
      ours: true,
      shell: `'${process.execPath}' "$INPUT" --help > /dev/null`,
    },
    {
      name: 'millrace help run',
      ours: true,
      shell: `'${process.execPath}' "$INPUT" help run > /dev/null`,
    },
    { name: 'node -e 0', shell: `'${process.execPath}' -e 0` },
  ],
});
