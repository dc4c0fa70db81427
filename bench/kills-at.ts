// Does a job survive its death at every single edge of an effect, a sync, a rename and a commit?
// Kills it at each named place, at its first, second, third and one later passage:
//   node bench/kills-at.ts [--seed N] [--only PLACE]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/clock.ts';
import { deaths, FailpointBench } from '../test/reliability/failpoints.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, only: { type: 'string' } },
});
const later = 4 + Math.floor(seededRandom(Number(values.seed))() * 20);
const directory = await mkdtemp(join(tmpdir(), 'millrace-failpoints-'));
const bench = new FailpointBench(directory);
await bench.open();
let reached = 0;
let failed = 0;
const never = new Set<string>();
try {
  for (const death of deaths([1, 2, 3, later])) {
    if (values.only !== undefined && death.place !== values.only) continue;
    const result = await bench.die(death);
    if (result.reached) reached += 1;
    else if (death.hit === 1) never.add(death.place);
    if (result.broken.length > 0) failed += 1;
    const words = result.broken.length > 0 ? `BROKEN: ${result.broken.join('; ')}` : 'whole';
    const where = `${death.scene} ${death.place}@${death.hit}`;
    console.log(`${where}: ${result.reached ? words : `not reached, ${words}`}`);
  }
} finally {
  await bench.close();
}
console.log(`\n${reached} deaths at named places, ${failed} jobs broken`);
if (never.size > 0) console.log(`never passed: ${[...never].join(', ')}`);
if (failed > 0) process.exitCode = 1;
else await rm(directory, { recursive: true });
