// Does any parser of what others write crash, hang, or lose a record without a word? Runs every fuzz
// of test/reliability/fuzz.ts for a while, and then every test with properties some times over, each
// time with another seed; what fails is shrunk and printed with its seed:
//   node bench/soak.ts [--minutes 10] [--rounds 3]
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { FUZZES } from '../test/reliability/fuzz.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
});
/** Of one test: it may run beside anything. */
const PATIENCE_MS = 30 * 60 * 1000; // 30 min

const ms = (Number(values.minutes) * 60 * 1000) / FUZZES.length;
let failed = 0;
for (const { what, property } of FUZZES) {
  const details = await fc.check(property, {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: ms,
    markInterruptAsFailure: false,
  });
  // One whose time is over before its first input is called failed too.
  const broken = details.failed && details.counterexample !== null;
  console.log(`${what}: ${details.numRuns} inputs, ${broken ? 'FAILED' : 'none failed'}`);
  if (!broken) continue;
  failed += 1;
  console.log(
    `  seed ${details.seed}, path ${details.counterexamplePath}: ${String(details.errorInstance)}`,
  );
  console.log(`  ${JSON.stringify(details.counterexample)}`);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const files = globSync('test/**/*.test.ts', { cwd: root }).filter((path) =>
  readFileSync(`${root}/${path}`, 'utf8').includes("from 'fast-check'"),
);
for (let round = 1; round <= Number(values.rounds); round++) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, 'run', `--testTimeout=${PATIENCE_MS}`, ...files],
    {
      cwd: root,
      env: { ...process.env, FC_SEED: 'random', NO_COLOR: '1' },
      encoding: 'utf8',
    },
  );
  const tests = /^ +Tests +(.*)$/m.exec(stdout)?.[1] ?? 'no tests';
  console.log(`properties, round ${round} of ${files.length} files: ${tests}`);
  if (status === 0) continue;
  failed += 1;
  console.log(stderr);
}
if (failed > 0) process.exitCode = 1;
