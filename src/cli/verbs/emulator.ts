import { Command } from 'commander';
import { addGeneralFlags, type Finish } from '../options/general.ts';
import { count, factor, oneOf } from '../units.ts';

const PROFILES = ['azure', 'azure-v1', 'openai'] as const;

interface EmulatorFlags {
  port?: number;
  data?: string;
  profile?: (typeof PROFILES)[number];
  speed?: number;
  enqueuedTokens?: number;
  deployments?: string;
  json?: boolean;
}

/** `millrace emulator`: the service on this machine. */
export function emulatorCommand(finish: Finish): Command {
  const command = new Command('emulator')
    .summary('run the service on this machine, for trying')
    .description('The Batch API over real HTTP on loopback, with made-up answers and no cost.')
    .usage('[options]')
    .optionsGroup('Emulator:')
    .option('--port <port>', '0 takes a free one (8080)', portOf)
    .option('--data <dir>', 'kept over restarts; else a temporary directory')
    .option('--profile <name>', `${PROFILES.join(', ')} (azure)`, (text) =>
      oneOf(text, '--profile', PROFILES),
    )
    .option('--speed <factor>', 'how much faster than the service (1)', (text) =>
      factor(text, '--speed'),
    )
    .option('--enqueued-tokens <count>', 'quota of each deployment; else no limit', (text) =>
      count(text, '--enqueued-tokens'),
    )
    .option('--deployments <names>', 'a,b: those there are; else any name');
  addGeneralFlags(command, '--json', 'the address and key as one JSON line');
  command.addHelpText(
    'after',
    `
Example:
  millrace emulator --port 0 --speed 600 --json`,
  );
  return command.action((flags: EmulatorFlags) => finish(() => emulate(flags)));
}

const DEFAULT_PORT = 8080;

async function emulate(flags: EmulatorFlags): Promise<number> {
  const { startEmulator } = await import('../../emulator/index.ts');
  const { port = DEFAULT_PORT, data, profile, speed, enqueuedTokens, deployments } = flags;
  const emulator = await startEmulator({
    port,
    ...(data === undefined ? {} : { data }),
    ...(profile === undefined ? {} : { profile }),
    ...(speed === undefined ? {} : { speed }),
    ...(enqueuedTokens === undefined ? {} : { enqueuedTokens }),
    ...(deployments === undefined ? {} : { deployments: namesOf(deployments) }),
  });
  const { url, key } = emulator;
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ url, key })}\n`
      : `The emulator takes calls; Ctrl-C ends it.\n\n  export AZURE_OPENAI_ENDPOINT=${url}\n  export AZURE_OPENAI_API_KEY=${key}\n`,
  );
  await stopped();
  await emulator.close();
  return 0;
}

/** Resolves at the first request to stop, which is how a server ends. */
function stopped(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once('SIGINT', () => resolve());
  process.once('SIGTERM', () => resolve());
  return promise;
}

function namesOf(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function portOf(text: string): number {
  return text === '0' ? 0 : count(text, '--port');
}
