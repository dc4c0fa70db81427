// `npm run bench -- NAME [SIZE]`: runs one benchmark, or without a name all that fit into some ten
// minutes. Peers are installed into bench/ when they are not there, so that the project itself does not
// carry them.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = import.meta.dirname;
const names = globSync('*.ts', { cwd: folder })
  .map((file) => basename(file, '.ts'))
  .filter((name) => !['run', 'corpus'].includes(name))
  .sort();
/** What `all` runs, and with what where its usual size would take long. */
const SHORT: Readonly<Record<string, readonly string[]>> = {
  lines: [],
  csv: [],
  ndjson: [],
  json: [],
  count: ['10'],
  prepare: [],
  join: [],
  transfer: [],
  'end-to-end': ['100m', '1'],
  start: [],
};

const [name = 'all', ...args] = process.argv.slice(2);
if (name !== 'all' && !names.includes(name)) {
  process.stderr.write(
    `npm run bench -- NAME [SIZE], NAME being all or one of ${names.join(', ')}\n`,
  );
  process.exitCode = 1;
} else {
  if (!existsSync(join(folder, 'node_modules'))) {
    run('npm', ['install', '--no-audit', '--no-fund'], folder);
  }
  // Small sizes and few rounds: not for the page.
  if (name === 'all') process.env.BENCH_RESULTS ??= join(folder, 'data', 'results');
  for (const [each, usual] of name === 'all' ? Object.entries(SHORT) : [[name, []] as const]) {
    if (name === 'all') process.stderr.write(`\n${each}\n`);
    const given = args.length > 0 ? args : usual;
    run(process.execPath, [join(folder, `${each}.ts`), ...given], process.cwd());
  }
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
