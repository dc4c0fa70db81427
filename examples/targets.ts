// One job over two resources, each with its own quota and key; see docs/operations.md.
//   node examples/targets.ts
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { azureOpenAI, runBatchJob } from 'millrace';
import { startEmulator } from 'millrace/emulator';

// Two emulators stand for two regions: give two endpoints of your own in their place.
const regions = [
  { name: 'east', quota: 20_000, emulator: await startEmulator({ speed: 2000 }) },
  { name: 'west', quota: 10_000, emulator: await startEmulator({ speed: 2000 }) },
];
const targets = regions.map(({ name, quota, emulator }) =>
  azureOpenAI({
    name,
    endpoint: emulator.url,
    apiKey: emulator.key,
    deployment: `gpt-4o-batch-${name}`,
    enqueuedTokens: quota,
  }),
);

const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
const status = await runBatchJob({
  job: join(folder, 'texts.job'),
  source: fileURLToPath(new URL('data/texts.csv', import.meta.url)),
  request: { kind: 'prompt', model: 'gpt-4o-batch', prompt: 'Label the topic: {{text}}' },
  baseModel: 'gpt-4o',
  service: targets,
  sink: join(folder, 'labels.ndjson'),
  pollIntervalMs: 200,
});

console.log(`${status.ok} of ${status.records} rows are ok, in ${folder}`);
for (const { name, emulator } of regions) {
  const batches = emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null);
  console.log(`${name}: ${batches.length} batches`);
}

for (const { service } of targets) await service.close();
for (const { emulator } of regions) await emulator.close();
