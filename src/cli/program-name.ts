import { basename, dirname, relative, sep } from 'node:path';

/** How the command was called, so that a command we print can be typed as it stands. */
export function programName(script = process.argv[1] ?? '', cwd = process.cwd()): string {
  const folder = dirname(script);
  const byPackage = folder.endsWith(`${sep}.bin`) || process.env.npm_command !== undefined;
  if (byPackage) return 'npx millrace';
  if (basename(script) === 'millrace') return 'millrace';
  const near = relative(cwd, script);
  return `node ${near === '' || near.startsWith('..') ? script : near}`;
}
