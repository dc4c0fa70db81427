/**
 * Named places at the edges of every effect, sync, rename and commit, where a test can end the
 * process as a power cut would: `MILLRACE_FAILPOINT=create.after@2` kills it at the second passage.
 * Without that variable at the start, a passage is a call of an empty function.
 */
export const FAILPOINTS = [
  'file.sync',
  'file.rename',
  'file.directory',
  'file.whole',
  'commit.before',
  'commit.after',
  'upload.before',
  'upload.after',
  'create.before',
  'create.after',
  'poll.listed',
  'collect.before',
  'collect.fetched',
  'collect.joined',
  'sweep.before',
  'sweep.cancelled',
  'sweep.deleted',
  'clean.before',
  'clean.between',
  'clean.after',
  'retry.before',
  'retry.sealed',
  'retry.reopened',
  'split.before',
  'split.sealed',
  'finish.before',
  'finish.inspected',
  'orphan.deleted',
  'output.written',
  'output.removing',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

const wish = process.env.MILLRACE_FAILPOINT ?? '';

/** Passes a place. */
export const failpoint: (name: Failpoint) => void = wish === '' ? () => undefined : dieAt(wish);

function dieAt(text: string): (name: Failpoint) => void {
  const [wanted, hit = '1'] = text.split('@');
  let left = Number(hit);
  return (name) => {
    if (name !== wanted) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
