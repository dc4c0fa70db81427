// Does any parser of what others write crash, hang, or lose a record without a word? Runs every fuzz
// of test/reliability/fuzz.ts for a while; what fails is shrunk and printed with its seed:
//   node bench/soak.ts [--minutes 10]
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { FUZZES } from '../test/reliability/fuzz.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const ms = (Number(values.minutes) * 60 * 1000) / FUZZES.length;
let failed = 0;
for (const { what, property } of FUZZES) {
  const details = await fc.check(property, {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: ms,
    markInterruptAsFailure: false,
  });
  console.log(`${what}: ${details.numRuns} inputs, ${details.failed ? 'FAILED' : 'none failed'}`);
  if (!details.failed) continue;
  failed += 1;
  console.log(
    `  seed ${details.seed}, path ${details.counterexamplePath}: ${String(details.errorInstance)}`,
  );
  console.log(`  ${JSON.stringify(details.counterexample)}`);
}
if (failed > 0) process.exitCode = 1;
