import { Command, CommanderError } from 'commander';
import { UsageError } from '../core/errors.ts';
import { report } from './errors.ts';
import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from './exit.ts';
import type { Finish } from './options/general.ts';
import { batchesCommand } from './verbs/batches.ts';
import { cancelCommand } from './verbs/cancel.ts';
import { collectCommand } from './verbs/collect.ts';
import { emulatorCommand } from './verbs/emulator.ts';
import { estimateCommand } from './verbs/estimate.ts';
import { filesCommand } from './verbs/files.ts';
import { prepareCommand } from './verbs/prepare.ts';
import { purgeCommand } from './verbs/purge.ts';
import { resumeCommand } from './verbs/resume.ts';
import { retryCommand } from './verbs/retry.ts';
import { runCommand } from './verbs/run.ts';
import { statusCommand } from './verbs/status.ts';
import { submitCommand } from './verbs/submit.ts';
import { validateCommand } from './verbs/validate.ts';
import { packageVersion } from './version.ts';

/** In the order in which they are listed. */
const VERBS = [
  runCommand,
  prepareCommand,
  submitCommand,
  collectCommand,
  resumeCommand,
  statusCommand,
  cancelCommand,
  retryCommand,
  purgeCommand,
  estimateCommand,
  validateCommand,
  batchesCommand,
  filesCommand,
  emulatorCommand,
];

/** Runs the command line and sets the exit code of the process. Never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader such as head may close the pipe before all rows are written.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const finish: Finish = async (work) => {
    process.exitCode = await work();
  };
  try {
    const root = program(finish);
    refuseUnknownTopic(root, argv);
    await root.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_FAILED;
      return;
    }
    const { text, code } = report(error, argv.includes('--verbose'));
    process.exitCode = code;
    process.stderr.write(`${text}\n`, () => {
      // All is stored and closed: whoever wants out is not kept waiting for a timer or a socket.
      if (code === EXIT_INTERRUPTED) process.exit();
    });
  }
}

function program(finish: Finish): Command {
  const root = new Command('millrace')
    .description(
      'Runs records through the Azure OpenAI Global Batch API: CSV, NDJSON or JSON in, every row back ' +
        'with its answer, within every limit and quota of the service, in constant memory.',
    )
    .usage('VERB [options]')
    .version(packageVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .commandsGroup('Verbs:')
    .configureHelp({ subcommandTerm: (verb) => verb.name() });
  const verbs = VERBS.map((make) => make(finish));
  for (const verb of verbs) root.addCommand(verb);
  root.addHelpCommand(new Command('help').argument('[verb]').summary('show the help of a verb'));
  root.addHelpText(
    'after',
    `
Start here:
  millrace run reviews.csv --job reviews.job --out labels.ndjson \\
    --service local --model gpt-4o --prompt 'Label: {{text}}'
  millrace help run`,
  );
  const inGroups = verbs.flatMap((verb) => verb.commands);
  for (const group of verbs.filter((verb) => verb.commands.length > 0)) {
    group.helpCommand(false).configureHelp({ subcommandTerm: (verb) => verb.name() });
  }
  for (const command of [root, ...verbs, ...inGroups]) {
    const what =
      command === root ? 'help lists the verbs' : `help ${verbOf(command)} shows the flags`;
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(usage(text, `(millrace ${what})\n`)),
    });
  }
  return root;
}

/** Commander shows the help of all verbs for the help of one that is none. */
function refuseUnknownTopic(root: Command, [verb, topic]: readonly string[]): void {
  if (verb !== 'help' || topic === undefined || topic.startsWith('-')) return;
  if (root.commands.some((command) => command.name() === topic)) return;
  throw new UsageError(`there is no verb "${topic}": millrace help lists them`);
}

/** The verb, or the group that a verb is in. */
function verbOf(command: Command): string {
  const group = command.parent;
  return group?.parent ? group.name() : command.name();
}

/** Commander's words as ours are written, with what to do next when they do not say it themselves. */
function usage(text: string, next: string): string {
  return text.replace(/^error: /, 'millrace: ') + (text.includes('Did you mean') ? '' : next);
}
