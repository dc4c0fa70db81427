// `npm run bench -- NAME [SIZE]`: runs one benchmark, or all that fit into a few minutes. Peers are
// installed into bench/ when they are not there, so that the project itself does not carry them.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = import.meta.dirname;
const names = globSync('*.ts', { cwd: folder })
  .map((file) => basename(file, '.ts'))
  .filter((name) => !['run', 'corpus'].includes(name))
  .sort();
const SHORT = ['lines', 'csv', 'ndjson', 'json', 'prepare', 'join', 'transfer', 'start'];

const [name, ...args] = process.argv.slice(2);
if (name === undefined || (name !== 'all' && !names.includes(name))) {
  process.stderr.write(
    `npm run bench -- NAME [SIZE], NAME being all or one of ${names.join(', ')}\n`,
  );
  process.exitCode = 1;
} else {
  if (!existsSync(join(folder, 'node_modules'))) {
    run('npm', ['install', '--no-audit', '--no-fund'], folder);
  }
  for (const each of name === 'all' ? SHORT : [name]) {
    run(process.execPath, [join(folder, `${each}.ts`), ...args], process.cwd());
  }
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
