import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addQuotaFlags } from '../options/limits.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import type { SessionFlags } from '../session.ts';

type SubmitFlags = SessionFlags & { once?: boolean };

/** `millrace submit`: until every shard is accepted by the service. */
export function submitCommand(finish: Finish): Command {
  const command = new Command('submit')
    .summary('send the shards until every one is accepted')
    .description('Sends sealed shards as the quota admits. What ends meanwhile is collected.')
    .usage('--job DIR [options]');
  addJobFlag(command).option('--once', 'only what the quota admits now');
  addServiceFlags(command);
  addQuotaFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  command.addHelpText(
    'after',
    `
Examples:
  millrace submit --job reviews.job --once && millrace collect --job reviews.job --wait --out l.csv`,
  );
  return command.action((flags: SubmitFlags) => finish(() => submit(flags)));
}

async function submit(flags: SubmitFlags): Promise<number> {
  checkServiceFlags(flags);
  const [{ withSession }, { settingsOf }, { conclude }, { submitShards }] = await Promise.all([
    import('../session.ts'),
    import('../service.ts'),
    import('../conclude.ts'),
    import('../../jobs/submission.ts'),
  ]);
  return withSession(flags, { mode: 'open' }, async (session) => {
    const { job, service, signal, wish } = session;
    const goal = flags.once ? 'once' : 'accepted';
    const settings = settingsOf(wish, service.local);
    await submitShards(job, service.targets, { ...settings, goal, signal }).done;
    return conclude(session, null);
  });
}
