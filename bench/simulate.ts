// Do the invariants hold whatever goes wrong? Runs the real steps of a job against a simulated
// service in virtual time, with faults, deaths and interleavings that a seed decides:
//   node bench/simulate.ts [--seeds 1000] [--first 1] [--seed N]
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { simulate } from '../test/reliability/simulation/simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});
// Thousands of small files and syncs: in memory where there is such a place.
const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const first = Number(values.seed ?? values.first);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const trace = values.seed === undefined ? {} : { trace: console.log };
const sum = { steps: 0, crashes: 0, batches: 0, duplicates: 0, rows: 0 };
const failed: number[] = [];
const begun = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const report = await simulate(seed, { root, ...trace });
  for (const name of ['steps', 'crashes', 'batches', 'duplicates', 'rows'] as const) {
    sum[name] += report[name];
  }
  if (report.violations.length === 0) continue;
  failed.push(seed);
  console.log(`seed ${seed}: ${report.violations.slice(0, 5).join('; ')}`);
}
const seconds = (performance.now() - begun) / 1000;
const bound = failed.length === 0 ? `, 95 % bound ${(300 / count).toFixed(2)} % of seeds` : '';
console.log(
  `${count} seeds in ${seconds.toFixed(1)} s: ${sum.rows} rows, ${sum.steps} steps, ${sum.crashes} deaths, ` +
    `${sum.batches} batches, ${sum.duplicates} duplicates found and cancelled, ${failed.length} seeds failed${bound}`,
);
if (failed.length > 0) {
  process.exitCode = 1;
  console.log(`again: node bench/simulate.ts --seed ${failed[0]}`);
}
