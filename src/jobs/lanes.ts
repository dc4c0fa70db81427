import type { Task, TaskKind } from '../core/job.ts';

/** Kinds that share a lane. Both of these name new retry shards, which must not meet. */
const SHARED: Partial<Readonly<Record<TaskKind, TaskKind>>> = { split: 'retry' };

/** Tasks of one lane that run at the same time. Two uploads fill a line and two cores. */
export const CONCURRENCY: Readonly<Record<TaskKind, number>> = {
  grant: 1,
  upload: 2,
  submit: 4,
  poll: 4,
  collect: 2,
  split: 1,
  retry: 1,
  clean: 1,
  sweep: 1,
  survey: 1,
  finish: 1,
};

/** The kind by whose number the task counts. */
export function laneOf({ kind }: Pick<Task, 'kind'>): TaskKind {
  return SHARED[kind] ?? kind;
}
