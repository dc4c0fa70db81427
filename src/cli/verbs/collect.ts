import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addQuotaFlags } from '../options/limits.ts';
import { addOutputFlags, outputOf } from '../options/output.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import type { SessionFlags } from '../session.ts';

type CollectFlags = SessionFlags & { wait?: boolean };

/** `millrace collect`: the rows of the batches that have ended. */
export function collectCommand(finish: Finish): Command {
  const command = new Command('collect')
    .summary('fetch and join what has ended by now')
    .description(
      'Fetches the answers of the batches that have ended, and writes the final rows. A job that ' +
        'was paused or cancelled stays so.',
    )
    .usage('--job DIR --out FILE [options]');
  addJobFlag(command).option('--wait', 'until all has ended');
  addServiceFlags(command);
  addQuotaFlags(command);
  addOutputFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  command.addHelpText(
    'after',
    `
Examples:
  millrace collect --job reviews.job --out so-far.ndjson
  millrace collect --job reviews.job --out labels.csv --wait`,
  );
  return command.action((flags: CollectFlags) => finish(() => collect(flags)));
}

async function collect(flags: CollectFlags): Promise<number> {
  checkServiceFlags(flags);
  const [{ withSession }, { settingsOf }, { conclude }, { submitShards }] = await Promise.all([
    import('../session.ts'),
    import('../service.ts'),
    import('../conclude.ts'),
    import('../../jobs/submission.ts'),
  ]);
  let out = '-';
  const check = (wish: object) => {
    out = outputOf(wish);
  };
  return withSession(flags, { mode: 'open', check }, async (session) => {
    const { job, service, signal, wish } = session;
    const goal = flags.wait ? 'finished' : 'ended';
    const state = (await job.store.read((tx) => tx.job()))?.state;
    if (state !== 'finished') {
      const settings = settingsOf(wish, service.local);
      await submitShards(job, service.targets, { ...settings, goal, reopens: false, signal }).done;
    }
    return conclude(session, out);
  });
}
