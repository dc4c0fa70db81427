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
    if (existsSync(out) && newest(config) < statSync(out).mtimeMs) continue;
    mkdirSync(data, { recursive: true });
    const args = [ASC, join(folder, 'index.ts'), '--config', join(folder, 'asconfig.json')];
    // What the compiler says of a kernel that it could make is of no use: an error tells all of it.
    execFileSync(process.execPath, [...args, '--outFile', out], { stdio: 'pipe' });
  }
}

/** When the rank of a kernel was last written to: a kernel shares layouts with its caller. */
function newest(config) {
  const [, rank] = config.split(/[/\\]/);
  const sources = globSync(`src/${rank}/**/*.{ts,json}`, { cwd: ROOT });
  return Math.max(...sources.map((path) => statSync(join(ROOT, path)).mtimeMs));
}
