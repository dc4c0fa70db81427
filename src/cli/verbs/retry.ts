import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addQuotaFlags } from '../options/limits.ts';
import { addOutputFlags, outputOf } from '../options/output.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import type { SessionFlags } from '../session.ts';
import { goOn } from './resume.ts';

/** `millrace retry`: tries the failed rows of a finished job again. */
export function retryCommand(finish: Finish): Command {
  const command = new Command('retry')
    .summary('try the failed rows of a finished job again')
    .description(
      'Reopens every failed row with a new budget of attempts, sends them, and writes --out anew. ' +
        'Rejected records stay rejected: no request was ever made of them.',
    )
    .usage('--job DIR [options]');
  addJobFlag(command);
  addServiceFlags(command);
  addQuotaFlags(command);
  addOutputFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  return command.action((flags: SessionFlags) => finish(() => retry(flags)));
}

async function retry(flags: SessionFlags): Promise<number> {
  checkServiceFlags(flags);
  const [{ withSession }, { conclude }, { reopenFailed }, { readStatus }, { plural }] =
    await Promise.all([
      import('../session.ts'),
      import('../conclude.ts'),
      import('../../jobs/reopen.ts'),
      import('../../jobs/status.ts'),
      import('../screen/words.ts'),
    ]);
  let out = '-';
  const check = (wish: object) => {
    out = outputOf(wish);
  };
  return withSession(flags, { mode: 'open', check, reopens: true }, async (session) => {
    const rows = await reopenFailed(session.job);
    session.progress.note(rows === 0 ? 'No row failed.' : `${plural(rows, 'row')} reopened.`);
    const { state } = await session.job.store.read(readStatus);
    if (state === 'finished') return conclude(session, null);
    await goOn(session);
    return conclude(session, out);
  });
}
