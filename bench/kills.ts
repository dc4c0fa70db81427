// Does a job that is killed at any moment lose a row, send a batch twice, or keep what it holds?
// Kills `millrace run` (and with --emulator the service too) with SIGKILL at moments drawn from the
// seed, resumes until each job is done, and compares with a run that nobody disturbed:
//   node bench/kills.ts [--kills 200] [--seed N] [--emulator] [--blobs] [--keep]
// With --blobs requests and answers go by Blob storage, at Azurite.
// MILLRACE_CLI=dist/cli/bin.js kills what was built, which starts in half the time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { campaign } from '../test/reliability/kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    emulator: { type: 'boolean', default: false },
    blobs: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const directory = await mkdtemp(join(tmpdir(), 'millrace-kills-'));
const seed = Number(values.seed);
console.log(`seed ${seed}, at work in ${directory}`);
const report = await campaign({
  directory,
  seed,
  kills: Number(values.kills),
  emulator: values.emulator,
  blobs: values.blobs,
  log: console.log,
});
const bound = (bad: number) => (bad === 0 ? `, 95 % bound ${percent(3 / report.kills)}` : '');
console.log(`
kills        ${report.kills} of the client, ${report.emulatorKills} of the service, in ${report.jobs} jobs
duplicates   ${report.duplicates} batches made twice, found and cancelled
losses       ${report.losses} rows lost, invented or changed${bound(report.losses)}
leaked holds ${report.leakedHolds}${bound(report.leakedHolds)}
overruns     ${report.overruns}${bound(report.overruns)}
violations   ${report.violations.length}${bound(report.violations.length)}`);
for (const words of report.violations) console.log(`  ${words}`);
if (report.violations.length > 0) {
  process.exitCode = 1;
  console.log(
    `again: node bench/kills.ts --seed ${seed} --kills ${values.kills}${values.blobs ? ' --blobs' : ''}`,
  );
}
if (!values.keep && report.violations.length === 0) await rm(directory, { recursive: true });

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} % of kills`;
}
