import type { TaskKind } from '../core/job.ts';
import type { Step } from './context.ts';
import { clean } from './steps/clean.ts';
import { collect } from './steps/collect.ts';
import { finish } from './steps/finish.ts';
import { grant } from './steps/grant.ts';
import { poll } from './steps/poll.ts';
import { retry } from './steps/retry.ts';
import { split } from './steps/split.ts';
import { submit } from './steps/submit.ts';
import { survey } from './steps/survey.ts';
import { sweep } from './steps/sweep.ts';
import { upload } from './steps/upload.ts';

const STEPS: Readonly<Record<TaskKind, Step>> = {
  grant,
  upload,
  submit,
  poll,
  collect,
  split,
  retry,
  clean,
  sweep,
  survey,
  finish,
};

/** Does one step of a task. A driver only decides who runs it, when, and how often it is tried. */
export const advance: Step = (context, task, signal) => STEPS[task.kind](context, task, signal);
