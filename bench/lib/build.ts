// millrace compiled as it is shipped: stripping types at the start costs time and memory that no user
// pays. It is built apart, so that the project's own dist stays as it is.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setup as compileKernels } from '../../scripts/kernels.mjs';

const ROOT = join(import.meta.dirname, '..', '..');
const BUILD = join(import.meta.dirname, '..', 'build');

/**
 * For the children's environment: what Node makes of the benchmarks' own TypeScript is kept from one to
 * the next, which would else be a tenth of a second and 30 MiB of each.
 */
export const KEEP_COMPILED = { NODE_COMPILE_CACHE: join(BUILD, 'cache') };

/**
 * A module of millrace as it is compiled, by its path in src without `.ts`. A child process takes what
 * its parent built.
 */
export async function compiled<Module>(path: string): Promise<Module> {
  return (await import(join(BUILD, 'dist', `${path}.js`))) as Module;
}

/** The folder with the compiled sources; made anew when a source is newer. */
export function built(): string {
  const dist = join(BUILD, 'dist');
  compileKernels();
  const sources = globSync('src/**/*.*', { cwd: ROOT }).map((file) => join(ROOT, file));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  const stamp = join(dist, 'cli', 'bin.js');
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newest) return dist;
  rmSync(BUILD, { recursive: true, force: true });
  const compiler = join(ROOT, 'node_modules', '.bin', 'tsc');
  const args = ['-p', join(ROOT, 'tsconfig.json'), '--outDir', dist];
  const { status } = spawnSync(compiler, args, { stdio: 'inherit' });
  if (status !== 0 && !existsSync(stamp)) throw new Error('the sources do not compile');
  for (const file of globSync('src/**/data/**/*.*', { cwd: ROOT })) {
    if (!file.endsWith('.ts')) cpSync(join(ROOT, file), join(BUILD, file.replace(/^src/, 'dist')));
  }
  cpSync(join(ROOT, 'package.json'), join(BUILD, 'package.json'));
  return dist;
}
