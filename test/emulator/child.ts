import { startEmulator } from '../../src/emulator/index.ts';

// A process of its own, so that a test can kill it: `node child.ts DATA OPTIONS`.
const [data = '', options = '{}'] = process.argv.slice(2);
const { ticks, ...rest } = JSON.parse(options) as Record<string, unknown> & { ticks?: string };
const { appendFileSync } = await import('node:fs');
const emulator = await startEmulator({
  ...rest,
  data,
  ...(ticks === undefined
    ? {}
    : {
        answer: async ({ custom_id }) => {
          appendFileSync(ticks, `${custom_id}\n`);
          await new Promise((resolve) => setTimeout(resolve, 5));
          return `answer to ${custom_id}`;
        },
      }),
});
process.stdout.write(`${emulator.url}\n`);
