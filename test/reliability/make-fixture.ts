// Makes the job directory that later releases must be able to resume: one shard done, one put back,
// one not sent yet, and a rejected record. Run once a release, into a directory that is new:
//   node test/reliability/make-fixture.ts test/fixtures/jobs/v1
import { rm } from 'node:fs/promises';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService } from '../../src/core/service.ts';
import { startEmulator } from '../../src/emulator/index.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { resumeBatchJob } from '../../src/jobs/run.ts';
import { azureOpenAI } from '../../src/service/targets.ts';

const directory = process.argv[2] ?? '';
await using emulator = await startEmulator({ speed: 20_000 });
const job = await openJob(directory, { name: 'fixture' });
const source = Array.from({ length: 12 }, (_, n) => ({ id: n, text: `No. ${n}: "good" — 很好` }));
await prepareJob<object>(job, {
  source: [...source, { id: 12 }],
  request: { kind: 'prompt', model: 'm', prompt: 'Label: {{text}}' },
  baseModel: 'gpt-4o',
  limits: { maxRequests: 4 },
});
const target = azureOpenAI({ endpoint: emulator.url, apiKey: emulator.key, enqueuedTokens: 200 });
const { service } = target;
let creates = 0;
const refusing: BatchService = new Proxy(service, {
  get(real, name) {
    if (name === 'createBatch' && creates++ > 0) {
      return () => {
        const failure = { status: 404, outcome: 'refused' } as const;
        throw new ServiceError('DeploymentNotFound', 'it was removed', failure);
      };
    }
    const value = Reflect.get(real, name, real) as unknown;
    return typeof value === 'function' ? value.bind(real) : value;
  },
});
await resumeBatchJob(job, {
  service: { ...target, service: refusing },
  pollIntervalMs: 20,
  submitGraceMs: 400,
}).catch((error: unknown) => console.log(String(error)));
await job.close();
for (const name of ['lock.db', 'lock.db.holder']) await rm(`${directory}/${name}`, { force: true });
