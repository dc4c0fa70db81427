import { existsSync } from 'node:fs';
import { errorCode, MillraceError } from '../core/errors.ts';
import type { Job } from '../jobs/job.ts';
import { sampleRow, writeOutput } from '../jobs/output.ts';
import { type JobStatus, readStatus } from '../jobs/status.ts';
import { exitCodeOf } from './exit.ts';
import { failuresInWords, rejectionsInWords } from './failures.ts';
import { programName } from './program-name.ts';
import type { NextCommand } from './screen/next.ts';
import { styleOf } from './screen/style.ts';
import { type Ending, near, summary } from './screen/summary.ts';
import { duration, shellWord } from './screen/words.ts';
import { jobWord, outWords, type Session, serviceWords } from './session.ts';

/** Writes the rows, if there is a place for them, says what the run came to, and gives its exit code. */
export async function conclude(session: Session, out: string | null): Promise<number> {
  const { job, json } = session;
  const sample = json ? null : await whole(() => sampleRow(job, 'ok'));
  const written = out === null ? null : await writeRows(session, out);
  const { status, totals } = await job.store.read(async (tx) => ({
    status: await readStatus(tx),
    totals: await tx.totals(),
  }));
  await session.progress.stop();
  if (json) {
    process.stderr.write(`${JSON.stringify({ type: 'status', ...status })}\n`);
  } else {
    const lines = summary(
      {
        status,
        totals,
        // A job that was over before has no time of its own now.
        elapsed: isOver(status) && session.service.targets.length > 0 ? tookSince(session) : null,
        out: written,
        failures: status.failed > 0 ? await failuresInWords(job.store) : null,
        rejected: await rejections(job, status),
        sample,
        free: session.service.local,
        next: nextCommands(session, status, written),
      },
      styleOf(process.stderr),
    );
    process.stderr.write(`${lines.join('\n')}\n`);
  }
  return exitCodeOf(status);
}

/** Rejected records are gathered in one file when preparing is complete. */
async function rejections(job: Job, { rejected }: JobStatus): Promise<Ending['rejected']> {
  const path = job.directory.rejected;
  if (rejected === 0 || !existsSync(path)) return null;
  return { path, reasons: await rejectionsInWords(path) };
}

/** The place of the rows once they are there. */
async function writeRows({ job, wish, signal, progress }: Session, out: string): Promise<string> {
  const options = {
    order: wish.order,
    flat: wish.flat,
    keep: wish.keep,
    signal,
    onWarning: (message: string) => progress.note(`note: ${message}`),
  };
  const write = () => writeOutput(job, out, options);
  const made = await whole(write, !existsSync(out)).catch((error) => {
    throw out === '-' && errorCode(error) === 'EPIPE' ? outputClosed(job, error) : error;
  });
  if (made === null)
    progress.note('The rows were written by an earlier run; they stay as they are.');
  return out;
}

/** A reader such as head has seen enough: the job has its rows all the same. */
function outputClosed(job: Job, cause: unknown): MillraceError {
  return new MillraceError(
    'output_closed',
    'standard output was closed before all rows were written; they are kept: ' +
      `${programName()} resume --job ${jobWord(job)} --out FILE writes them`,
    { cause },
  );
}

/** Null when the job's own rows are gone, as they are once the output of a finished job is whole. */
async function whole<R>(read: () => Promise<R>, strict = false): Promise<R | null> {
  try {
    return await read();
  } catch (error) {
    if (!strict && errorCode(error) === 'results_gone') return null;
    throw error;
  }
}

function isOver({ state }: JobStatus): boolean {
  return state === 'finished' || state === 'cancelled';
}

function tookSince({ begun }: Session): string {
  return duration(performance.now() - begun);
}

/** The two commands that are most likely to be wanted now. */
function nextCommands(session: Session, status: JobStatus, out: string | null): NextCommand[] {
  const name = programName();
  const job = jobWord(session.job);
  const where = serviceWords(session.wish) + outWords(session.wish);
  const next: NextCommand[] = [];
  if (status.state === 'cancelled') {
    next.push([
      `${name} resume --job ${job}${where}`,
      'go on after all with the rows that are pending',
    ]);
  } else if (status.state !== 'finished') {
    next.push([`${name} resume --job ${job}${where}`, 'go on']);
  } else if (status.failed > 0) {
    next.push([`${name} retry --job ${job}${where}`, 'try the failed rows again']);
  }
  if (out !== null && /\.(ndjson|jsonl|csv|tsv)$/.test(out)) {
    next.push([`head -n 3 ${shellWord(near(out))}`, 'look at the rows']);
  }
  next.push([`${name} status --job ${job}`, 'see where the job stands']);
  return next.slice(0, 2);
}
