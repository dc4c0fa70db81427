import { errorCode } from '../core/errors.ts';
import { type JobStatus, readStatus } from '../jobs/status.ts';
import { programName } from './program-name.ts';
import { sampleInWords } from './screen/money-words.ts';
import { styleOf } from './screen/style.ts';
import { jobWord, type Session, serviceWords } from './session.ts';

/**
 * Runs the work of a job, and says what its sample came to: beside the running display when the job
 * goes on by itself, else at its end. Gives whether the job has paused to be resumed. Without a sample,
 * wanted now or before, the work has nothing to report.
 */
export async function withSample(
  session: Session,
  wanted: boolean,
  work: (onProgress: ((status: JobStatus) => void) | undefined) => Promise<unknown>,
): Promise<boolean> {
  const before = (await session.job.store.read((tx) => tx.job()))?.sample;
  let seen: string | undefined;
  const onProgress = (status: JobStatus) => {
    const state = status.sample?.state;
    if (seen === 'running' && state === 'over') session.progress.note(lines(status).join('\n'));
    seen = state;
  };
  try {
    await work(wanted || before ? onProgress : undefined);
    return false;
  } catch (error) {
    if (errorCode(error) !== 'paused') throw error;
    const status = await session.job.store.read(readStatus);
    if (status.sample?.state !== 'shown') throw error;
    await session.progress.stop();
    if (session.json) {
      process.stderr.write(`${JSON.stringify({ type: 'status', ...status })}\n`);
      return true;
    }
    const style = styleOf(process.stderr);
    const name = programName();
    const resume = `${name} resume --job ${jobWord(session.job)}${serviceWords(session.wish)}`;
    process.stderr.write(
      `${[
        ...lines(status),
        '  These were the first records in their order: of a sorted source the rest may differ.',
        '',
        'next',
        `  ${style.colour('cyan', resume)}  ${style.colour('dim', '# go on with the rest')}`,
      ].join('\n')}\n`,
    );
    return true;
  }
}

function lines(status: JobStatus): string[] {
  const style = styleOf(process.stderr);
  return [
    `${style.colour('bold', status.job)}: the sample is answered`,
    ...sampleInWords(status).map((line) => `  ${line}`),
  ];
}
