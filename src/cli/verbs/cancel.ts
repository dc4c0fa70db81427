import { Command } from 'commander';
import { errorCode, UsageError } from '../../core/errors.ts';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import type { SessionFlags } from '../session.ts';

/** `millrace cancel`: no more is sent, live batches are cancelled, what they did is kept. */
export function cancelCommand(finish: Finish): Command {
  const command = new Command('cancel')
    .summary('send nothing more and cancel the live batches')
    .description(
      'Leaves a request for the process that works on the job, which follows it within seconds; if ' +
        'there is none, does it itself. Answers that were paid for are kept. resume goes on later.',
    )
    .usage('--job DIR [options]');
  addJobFlag(command);
  addServiceFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  return command.action((flags: SessionFlags) => finish(() => cancel(flags)));
}

async function cancel(flags: SessionFlags): Promise<number> {
  checkServiceFlags(flags);
  const [{ openJob, withJobStore }, { requestCancel }] = await Promise.all([
    import('../../jobs/job.ts'),
    import('../../jobs/cancel.ts'),
  ]);
  const state = await withJobStore(flags.job, async (store) => {
    await requestCancel(store);
    return (await store.read((tx) => tx.job()))?.state;
  });
  if (state === 'finished' || state === 'cancelled') {
    process.stderr.write(`The job is ${state} already.\n`);
    return 0;
  }
  try {
    // Whoever holds the job needs nothing of us; only without one is the service called from here.
    await (await openJob(flags.job, { mode: 'open' })).close();
    return await carryOut(flags);
  } catch (error) {
    if (errorCode(error) === 'job_locked') {
      process.stderr.write(
        'Asked the process that works on the job to cancel it; millrace status shows when it has.\n',
      );
      return 0;
    }
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `the wish to cancel is noted, but nobody is at work on it: ${error.message}`,
    );
  }
}

async function carryOut(flags: SessionFlags): Promise<number> {
  const [{ withSession }, { settingsOf }, { conclude }, { submitShards }] = await Promise.all([
    import('../session.ts'),
    import('../service.ts'),
    import('../conclude.ts'),
    import('../../jobs/submission.ts'),
  ]);
  return withSession(flags, { mode: 'open' }, async (session) => {
    const { job, service, signal, wish } = session;
    await submitShards(job, service.targets, { ...settingsOf(wish, service.local), signal }).done;
    await conclude(session, null);
    return 0;
  });
}
