// Builds dist: compiles the kernels to WebAssembly and src to JavaScript, copies the data files that the
// compiler does not carry over, and makes the bin executable.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setup as compileKernels } from './kernels.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
compileKernels();
execFileSync('tsc', ['-p', 'tsconfig.json'], { stdio: 'inherit' });
for (const file of globSync('src/**/data/**/*.*')) {
  if (!file.endsWith('.ts')) cpSync(file, file.replace(/^src/, 'dist'));
}
if (existsSync('dist/cli/bin.js')) chmodSync('dist/cli/bin.js', 0o755);
