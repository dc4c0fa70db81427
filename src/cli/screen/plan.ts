import type { Job } from '../../jobs/job.ts';
import type { Plan } from '../../jobs/write-shards.ts';
import { programName } from '../program-name.ts';
import { styleOf } from './style.ts';
import { near } from './summary.ts';
import { bytes, number, shellWord } from './words.ts';

/** Says on standard error what a preparation came to. */
export function showPlan(job: Job, plan: Plan): void {
  const style = styleOf(process.stderr);
  const line = (name: string, text: string) => `  ${style.colour('dim', name.padEnd(10))}${text}\n`;
  process.stderr.write(
    `${style.colour('bold', job.name)}: prepared, nothing is sent\n\n` +
      line(
        'records',
        `${number(plan.records)}: ${number(plan.requests)} requests, ${number(plan.rejected)} rejected`,
      ) +
      line('shards', `${number(plan.shards)}, ${bytes(plan.bytes)}`) +
      line('tokens', `${number(plan.tokens)} in`) +
      `\nnext\n  ${style.colour('cyan', `${programName()} submit --job ${shellWord(near(job.directory.path))}`)}\n`,
  );
}
