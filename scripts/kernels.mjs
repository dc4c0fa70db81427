// Compiles the kernels: AssemblyScript in `kernel` becomes WebAssembly in `data` beside it, where the
// sources as well as dist find it. One that is newer than all that it is made of is left.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ASC = join(ROOT, 'node_modules', 'assemblyscript', 'bin', 'asc.js');

export function setup() {
  for (const config of globSync('src/**/kernel/asconfig.json', { cwd: ROOT })) {
    const folder = join(ROOT, dirname(config));
    const data = join(folder, '..', 'data');
    const out = join(data, 'kernel.wasm');
    const sources = globSync('*.*', { cwd: folder }).map((name) => join(folder, name));
    if (existsSync(out) && sources.every((path) => modified(path) < modified(out))) continue;
    mkdirSync(data, { recursive: true });
    const args = [ASC, join(folder, 'index.ts'), '--config', join(folder, 'asconfig.json')];
    execFileSync(process.execPath, [...args, '--outFile', out], { stdio: 'inherit' });
  }
}

function modified(path) {
  return statSync(path).mtimeMs;
}
