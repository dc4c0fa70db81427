// millrace's own preparation, as `millrace prepare` does it.
import { join } from 'node:path';
import { compiled } from './build.ts';
import type { Answer, Task } from './harness.ts';

export interface PrepareBench {
  readonly workers: number;
  readonly model: string;
  readonly prompt: string;
  /** Without, every request has no tokens: what is left is everything but counting. */
  readonly count: boolean;
}

export async function prepareMillrace(task: Task, options: PrepareBench): Promise<Answer> {
  const { openJob } = await compiled<typeof import('../../src/jobs/job.ts')>('jobs/job');
  const { prepareJob } = await compiled<typeof import('../../src/jobs/prepare.ts')>('jobs/prepare');
  const { model, prompt, workers, count } = options;
  const job = await openJob(join(task.scratch, 'bench.job'));
  const request = { kind: 'prompt', model, prompt } as const;
  const plan = await prepareJob(job, { source: task.path, request, workers, count });
  await job.close();
  const { requests, tokens } = plan;
  return count ? { requests, tokens } : { requests };
}
