// A CSV of many rows through `run` with a quota that allows three shards at a time: how long, how much
// memory, and were there never more than three in flight?
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { DATA } from './lib/data.ts';
import { machine, saveResult } from './lib/harness.ts';
import { startEmulatorProcess, watchMillrace } from './lib/processes.ts';
import { rowsFile } from './lib/rows.ts';

const [given = '100000', perShard = '5000'] = process.argv.slice(2);
const rows = Number(given);
/** Of one row, roughly: 85 true tokens, which the service counts 1.64 times. */
const TOKENS = 85 * 1.64;
const quota = Math.round(Number(perShard) * TOKENS * 3);
const source = await rowsFile(rows);
const folder = mkdtempSync(join(DATA, 'large-'));
const emulator = await startEmulatorProcess([
  ...['--data', join(folder, 'service'), '--speed', '20000', '--enqueued-tokens', String(quota)],
]);
try {
  const out = join(folder, 'out.ndjson');
  const job = join(folder, 'large.job');
  const { seconds, cpu, peakMiB, code, stderr } = await watchMillrace(
    ['run', source, '--job', job, '--out', out, '--model', 'gpt-4o']
      .concat(['--prompt', 'Label: {{text}}', '--enqueued-tokens', String(quota)])
      .concat(['--poll-interval', '500ms']),
    emulator.env,
  );
  if (code !== 0) throw new Error(`run ended with ${code}: ${stderr}`);
  let next = 0;
  let ok = 0;
  for await (const line of createInterface({ input: createReadStream(out) })) {
    const { ordinal, status } = JSON.parse(line) as { ordinal: number; status: string };
    if (ordinal !== next++) throw new Error(`row ${next - 1} has the ordinal ${ordinal}`);
    if (status === 'ok') ok++;
  }
  if (next !== rows) throw new Error(`${next} rows came out of ${rows}`);
  const { shards: mostInFlight, tokens: mostTokens } = mostHeld(join(job, 'job.db'));
  if (mostInFlight !== 3) throw new Error(`${mostInFlight} shards were in flight at most, not 3`);
  if (mostTokens > quota) throw new Error(`${mostTokens} tokens were held, of ${quota}`);
  const result = {
    rows,
    ok,
    quota,
    mostInFlight,
    mostTokens,
    seconds,
    cpu,
    peakMiB,
    emulatorCpu: emulator.cpu(),
  };
  process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
  saveResult('large', { name: 'large', ...machine(), ...result });
} finally {
  await emulator.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The most that was held at one instant; what is given back at an instant is free for another. */
function mostHeld(database: string): { shards: number; tokens: number } {
  const store = new DatabaseSync(database, { readOnly: true });
  const holds = store.prepare('SELECT tokens, taken_at, released_at FROM holds').all() as {
    tokens: number;
    taken_at: number;
    released_at: number;
  }[];
  store.close();
  const changes = holds.flatMap(({ tokens, taken_at, released_at }) => [
    { at: taken_at, shards: 1, tokens },
    { at: released_at, shards: -1, tokens: -tokens },
  ]);
  changes.sort((a, b) => a.at - b.at || a.shards - b.shards);
  const held = { shards: 0, tokens: 0 };
  const most = { shards: 0, tokens: 0 };
  for (const change of changes) {
    held.shards += change.shards;
    held.tokens += change.tokens;
    most.shards = Math.max(most.shards, held.shards);
    most.tokens = Math.max(most.tokens, held.tokens);
  }
  return most;
}
