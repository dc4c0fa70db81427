import { Command } from 'commander';
import type { JobStatus } from '../../jobs/status.ts';
import { EXIT_FAILED } from '../exit.ts';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addQuotaFlags } from '../options/limits.ts';
import { addOutputFlags, outputOf } from '../options/output.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import type { Session, SessionFlags } from '../session.ts';

/** `millrace resume`: goes on where a job was stopped. */
export function resumeCommand(finish: Finish): Command {
  const command = new Command('resume')
    .summary('go on where a job was stopped')
    .description(
      'Goes on after Ctrl-C, a crash, a pause or a cancel. What the last run was told still holds; ' +
        'quota, cost, attempts, polling and output may be given anew.',
    )
    .usage('--job DIR [options]');
  addJobFlag(command);
  addServiceFlags(command);
  addQuotaFlags(command);
  addOutputFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  command.addHelpText(
    'after',
    `
Examples:
  millrace resume --job reviews.job
  millrace resume --job reviews.job --max-cost 50 --out again.csv`,
  );
  return command.action((flags: SessionFlags) => finish(() => resume(flags)));
}

async function resume(flags: SessionFlags): Promise<number> {
  checkServiceFlags(flags);
  const [{ withSession }, { conclude }, { withSample }] = await Promise.all([
    import('../session.ts'),
    import('../conclude.ts'),
    import('../sample.ts'),
  ]);
  let out = '-';
  const check = (wish: SessionFlags | object) => {
    out = outputOf(wish);
  };
  return withSession(flags, { mode: 'open', check }, async (session) => {
    const paused = await withSample(session, false, (onProgress) => goOn(session, onProgress));
    return paused ? EXIT_FAILED : conclude(session, out);
  });
}

/** Does what is left of a job, from what it remembers of itself. */
export async function goOn(
  { job, service, signal, wish }: Session,
  onProgress?: (status: JobStatus) => void,
): Promise<void> {
  const [{ resumeBatchJob }, { settingsOf }] = await Promise.all([
    import('../../jobs/run.ts'),
    import('../service.ts'),
  ]);
  const settings = settingsOf(wish, service.local);
  await resumeBatchJob(job, { service: service.targets, signal, onProgress, ...settings });
}
