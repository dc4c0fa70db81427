import type { Command } from 'commander';

/** Runs a verb's work and makes its number the exit code of the process. */
export type Finish = (work: () => Promise<number>) => Promise<void>;

/** The directory that every verb on a job works on. */
export function addJobFlag(command: Command): Command {
  return command.optionsGroup('Job:').requiredOption('--job <dir>', 'the job directory');
}

/** What every verb has, and its own kind of --json if it has one. */
export function addGeneralFlags(command: Command, json?: '--json', what?: string): Command {
  command.optionsGroup('General:');
  if (json !== undefined) command.option(json, what);
  return command
    .option('--verbose', 'show where an error came from')
    .helpOption('-h, --help', 'show this help; defaults stand in (brackets)');
}
