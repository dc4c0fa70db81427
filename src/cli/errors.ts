import { errorMessage, MillraceError, UsageError } from '../core/errors.ts';
import { EXIT_FAILED, EXIT_INTERRUPTED } from './exit.ts';
import { Interrupted } from './interrupt.ts';

/** What is printed of an error, and the exit code. */
export interface Report {
  readonly text: string;
  readonly code: number;
}

/** One or two lines on what failed and what to do next; where it came from only if asked for. */
export function report(error: unknown, verbose: boolean): Report {
  if (error instanceof Interrupted) {
    return { text: `millrace: ${error.message}`, code: EXIT_INTERRUPTED };
  }
  const stack = verbose ? `\n${stackOf(error)}` : '';
  if (error instanceof UsageError) {
    return { text: `millrace: ${error.message}${stack}`, code: EXIT_FAILED };
  }
  if (error instanceof MillraceError) {
    // Behind the first line, so that a command below it can be copied as it stands.
    const text = error.message.replace(/\n|$/, (end) => ` (${error.code})${end}`);
    return { text: `millrace: ${text}${stack}`, code: EXIT_FAILED };
  }
  const hint = verbose ? stack : '\n  --verbose shows where it came from';
  return { text: `millrace: ${errorMessage(error)}${hint}`, code: EXIT_FAILED };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}
