import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Throws when dist is not that of the sources: what is tested here is what is shipped, and the
 * build belongs before the tests (`npm test` does both), where no other test reads dist meanwhile.
 */
export function needFreshDist(): void {
  const built = newest(join(ROOT, 'dist'), /\.js$/, Math.min);
  const written = newest(join(ROOT, 'src'), /\.(ts|json|bin)$/, Math.max);
  if (built >= written) return;
  throw new Error('dist is missing or older than src: npm run build first (npm test does)');
}

function newest(folder: string, files: RegExp, pick: (...ms: number[]) => number): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const times = names.filter((name) => files.test(name));
  return pick(...times.map((name) => statSync(join(folder, name)).mtimeMs));
}

/** Runs a command to its end and gives its standard output; throws with both outputs if it fails. */
export function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnv(),
  });
}

/** The environment without Azure's variables, and without those that npm hands down to scripts. */
export function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(AZURE_|OPENAI_|npm_(?!config_(registry|cache|userconfig)))/.test(name),
    ),
  );
}
