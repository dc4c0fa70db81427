// millrace's own preparation, as `millrace prepare` does it, in a directory that is removed again.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compiled } from './build.ts';
import { DATA } from './data.ts';
import type { Answer } from './harness.ts';

export interface PrepareBench {
  readonly workers: number;
  readonly model: string;
  readonly prompt: string;
  /** Without, every request has no tokens: what is left is everything but counting. */
  readonly count: boolean;
}

export async function prepareMillrace(path: string, options: PrepareBench): Promise<Answer> {
  const { openJob } = await compiled<typeof import('../../src/jobs/job.ts')>('jobs/job');
  const { prepareJob } = await compiled<typeof import('../../src/jobs/prepare.ts')>('jobs/prepare');
  const { model, prompt, workers, count } = options;
  const folder = mkdtempSync(join(DATA, 'prepare-'));
  try {
    const job = await openJob(join(folder, 'bench.job'));
    const request = { kind: 'prompt', model, prompt } as const;
    const plan = await prepareJob(job, { source: path, request, workers, count });
    await job.close();
    const { requests, tokens } = plan;
    return count ? { requests, tokens } : { requests };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
