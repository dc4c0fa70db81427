// What does a whole run cost the client, beside its two halves alone? The emulator is another process;
// waiting is free, so processor time is compared and not the clock.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DATA, dataFile } from './lib/data.ts';
import { machine, saveResult } from './lib/harness.ts';
import { startEmulatorProcess, type Watched, watchMillrace } from './lib/processes.ts';

const [size = '100m'] = process.argv.slice(2);
const { path, bytes } = await dataFile('csv', size);
const folder = mkdtempSync(join(DATA, 'end-'));
const REQUEST = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}', '--max-requests', '25000'];

async function checked(args: readonly string[], env = {}): Promise<Watched> {
  const watched = await watchMillrace(args, env);
  if (watched.code !== 0)
    throw new Error(`${args[0]} ended with ${watched.code}: ${watched.stderr}`);
  return watched;
}

const emulator = await startEmulatorProcess([
  ...['--data', join(folder, 'service'), '--speed', '20000'],
]);
try {
  const out = join(folder, 'out.ndjson');
  const job = (name: string) => ['--job', join(folder, `${name}.job`)];
  // The emulator answers for a minute; a user's job asks once a minute and not thirty times.
  const poll = ['--poll-interval', '2s'];
  const whole = await checked(
    ['run', path, ...job('whole'), '--out', out, ...REQUEST, ...poll],
    emulator.env,
  );
  const prepare = await checked(['prepare', path, ...job('halves'), ...REQUEST]);
  const submit = await checked(['submit', ...job('halves'), ...poll], emulator.env);
  const collect = await checked(
    ['collect', ...job('halves'), '--out', `${out}.2.ndjson`, '--wait', ...poll],
    emulator.env,
  );
  const ratio = whole.cpu / (prepare.cpu + collect.cpu);
  const rows = { run: whole, prepare, submit, 'collect (download and join)': collect };
  process.stdout.write(
    `\nA run of ${(bytes / 1e6).toFixed(0)} MB\n\n| | s | CPU s | peak MiB |\n|---|---|---|---|\n`,
  );
  for (const [name, { seconds, cpu, peakMiB }] of Object.entries(rows)) {
    process.stdout.write(
      `| ${name} | ${seconds.toFixed(1)} | ${cpu.toFixed(2)} | ${peakMiB.toFixed(0)} |\n`,
    );
  }
  process.stdout.write(`\nrun / (prepare + collect) = ${ratio.toFixed(2)}\n`);
  const results = Object.entries(rows).map(([name, { stderr: _, curve: __, ...rest }]) => ({
    name,
    ...rest,
  }));
  saveResult('end-to-end', { name: 'end-to-end', ...machine(), bytes, ratio, results });
} finally {
  await emulator.stop();
  rmSync(folder, { recursive: true, force: true });
}
