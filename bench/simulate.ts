// Do the invariants hold whatever goes wrong? Runs the real steps of a job against a simulated
// service in virtual time, with faults, deaths and interleavings that a seed decides. One thread a
// core; a seed by itself prints its steps:
//   node bench/simulate.ts [--seeds 1000] [--first 1] [--seed N]
import { existsSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type SimulationReport, simulate } from '../test/reliability/simulation/simulate.ts';

// Thousands of small files and syncs: in memory where there is such a place.
const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

if (isMainThread) await main();
else {
  const { first, step, end } = workerData as { first: number; step: number; end: number };
  for (let seed = first; seed < end; seed += step) {
    parentPort?.postMessage(await simulate(seed, { root }));
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      first: { type: 'string', default: '1' },
      seed: { type: 'string' },
    },
  });
  const begun = performance.now();
  const reports: SimulationReport[] = [];
  const show = (report: SimulationReport) => {
    reports.push(report);
    const { seed, violations } = report;
    if (violations.length > 0) console.log(`seed ${seed}: ${violations.slice(0, 5).join('; ')}`);
  };
  if (values.seed !== undefined) {
    show(await simulate(Number(values.seed), { root, trace: console.log }));
  } else {
    const first = Number(values.first);
    const end = first + Number(values.seeds);
    const step = Math.max(1, Math.min(availableParallelism(), end - first));
    const threads = Array.from({ length: step }, (_, n) => thread(first + n, step, end, show));
    await Promise.all(threads);
  }
  conclude(reports, (performance.now() - begun) / 1000);
}

function thread(
  first: number,
  step: number,
  end: number,
  show: (report: SimulationReport) => void,
): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { first, step, end } });
  worker.on('message', show);
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

function conclude(reports: readonly SimulationReport[], seconds: number): void {
  const sum = (
    name: 'rows' | 'steps' | 'crashes' | 'jumps' | 'sleeps' | 'batches' | 'duplicates',
  ) => reports.reduce((total, report) => total + report[name], 0);
  const failed = reports.filter(({ violations }) => violations.length > 0);
  const share = (300 / reports.length).toFixed(2);
  const bound = failed.length === 0 ? `, 95 % bound ${share} % of seeds` : '';
  console.log(
    `${reports.length} seeds (${reports.filter(({ sites }) => sites > 1).length} with two resources) in ${seconds.toFixed(1)} s: ${sum('rows')} rows, ${sum('steps')} steps, ` +
      `${sum('crashes')} deaths, ${sum('jumps')} jumps of the clock, ${sum('sleeps')} sleeps, ${sum('batches')} batches, ${sum('duplicates')} duplicates found and ` +
      `cancelled, ${failed.length} seeds failed${bound}`,
  );
  if (failed.length === 0) return;
  process.exitCode = 1;
  console.log(
    `again: node bench/simulate.ts --seed ${Math.min(...failed.map(({ seed }) => seed))}`,
  );
}
