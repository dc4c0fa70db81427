import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { errorCode, errorMessage, UsageError } from '../../core/errors.ts';
import type { EmulatorOptions } from '../../emulator/index.ts';
import { addGeneralFlags, type Finish } from '../options/general.ts';
import { count, factor, oneOf } from '../units.ts';

const PROFILES = ['azure', 'azure-rest', 'azure-v1', 'openai'] as const;

interface EmulatorFlags {
  port?: number;
  host?: string;
  data?: string;
  profile?: (typeof PROFILES)[number];
  set?: string[];
  speed?: number;
  enqueuedTokens?: number;
  deployments?: string;
  seed?: number;
  faults?: string;
  control?: boolean;
  answers?: string;
  upstream?: string;
  upstreamModel?: string;
  concurrency?: number;
  blobStorage?: boolean;
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
    .option('--host <address>', 'beyond loopback: needs MILLRACE_EMULATOR_KEY (127.0.0.1)')
    .option('--data <dir>', 'kept over restarts; else a temporary directory')
    .option('--profile <name>', `${PROFILES.join(', ')} (azure)`, (text) =>
      oneOf(text, '--profile', PROFILES),
    )
    .option('--set <name=value...>', 'a switch of the profile, such as tokenLimit=refuse', collect)
    .option('--speed <factor>', 'how much faster than the service (1)', (text) =>
      factor(text, '--speed'),
    )
    .option('--enqueued-tokens <count>', 'quota of each deployment; else no limit', (text) =>
      count(text, '--enqueued-tokens'),
    )
    .option('--deployments <names>', 'a,b: those there are; else any name')
    .option('--blob-storage', 'takes blobs of AZURE_STORAGE_CONNECTION_STRING, on this machine')
    .option('--seed <n>', 'of times, orders, faults and answers (1)', (text) =>
      count(text, '--seed'),
    )
    .optionsGroup('Faults:')
    .option('--faults <file>', 'what goes wrong, as JSON: docs/emulator.md')
    .option('--control', 'adds the calls that change faults and quota while it runs')
    .optionsGroup('Answers:')
    .option('--answers <module>', 'your function answers: export default (request) => response')
    .option('--upstream <url>', 'an OpenAI-compatible server answers (MILLRACE_UPSTREAM_KEY)')
    .option('--upstream-model <name>', 'stands for the model of each request')
    .option('--concurrency <n>', 'requests of a batch open there at one time (16)', (text) =>
      count(text, '--concurrency'),
    );
  addGeneralFlags(command, '--json', 'the address and key as one JSON line');
  command.addHelpText(
    'after',
    `
Examples:
  millrace emulator --port 0 --speed 600 --json
  millrace emulator --upstream http://127.0.0.1:11434/v1 --upstream-model llama3`,
  );
  return command.action((flags: EmulatorFlags) => finish(() => emulate(flags)));
}

const DEFAULT_PORT = 8080;

/** What the users of each service export: its address, its key, and the path behind the address. */
const VARIABLES = {
  azure: ['AZURE_OPENAI_ENDPOINT', 'AZURE_OPENAI_API_KEY', ''],
  'azure-rest': ['AZURE_OPENAI_ENDPOINT', 'AZURE_OPENAI_API_KEY', ''],
  'azure-v1': ['AZURE_OPENAI_ENDPOINT', 'AZURE_OPENAI_API_KEY', '/openai/v1'],
  openai: ['OPENAI_BASE_URL', 'OPENAI_API_KEY', '/v1'],
} as const;
const MAX_PORT = 65_535;

async function emulate(flags: EmulatorFlags): Promise<number> {
  const { startEmulator } = await import('../../emulator/index.ts');
  const emulator = await startEmulator(await emulatorOptions(flags));
  const { url, key } = emulator;
  const [address, secret, path] = VARIABLES[flags.profile ?? 'azure'];
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ url, key })}\n`
      : `The emulator takes calls; Ctrl-C ends it.\n\n  export ${address}=${url}${path}\n  export ${secret}=${key}\n`,
  );
  await stopped();
  await emulator.close();
  return 0;
}

/** The options of `startEmulator`; secrets come from the environment. */
async function emulatorOptions(flags: EmulatorFlags): Promise<EmulatorOptions> {
  const { parseFaultScript, parseSwitches } = await import('../../emulator/index.ts');
  const { port = DEFAULT_PORT, set, deployments, faults, answers, ...rest } = flags;
  const { json: _json, blobStorage, ...plain } = rest;
  const { MILLRACE_EMULATOR_KEY: key, MILLRACE_UPSTREAM_KEY: upstreamKey } = process.env;
  return {
    ...plain,
    port,
    ...(key ? { key } : {}),
    ...(upstreamKey ? { upstreamKey } : {}),
    ...(blobStorage ? { blobStorage: storageFromEnv() } : {}),
    ...(set === undefined ? {} : { switches: parseSwitches(set) }),
    ...(deployments === undefined ? {} : { deployments: namesOf(deployments) }),
    ...(faults === undefined ? {} : { faults: parseFaultScript(await readJson(faults)) }),
    ...(answers === undefined ? {} : { answer: await loadAnswers(answers) }),
  };
}

function storageFromEnv(): string {
  const { AZURE_STORAGE_CONNECTION_STRING: connectionString } = process.env;
  if (connectionString) return connectionString;
  throw new UsageError(
    '--blob-storage needs AZURE_STORAGE_CONNECTION_STRING: set that of a storage on this machine, ' +
      'such as UseDevelopmentStorage=true for Azurite',
  );
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why =
      errorCode(error) === 'ENOENT'
        ? 'there is no such file'
        : `it cannot be read as JSON: ${errorMessage(error)}`;
    throw new UsageError(`--faults ${path}: ${why}`, {
      cause: error,
    });
  }
}

async function loadAnswers(path: string): Promise<NonNullable<EmulatorOptions['answer']>> {
  let made: unknown;
  try {
    ({ default: made } = (await import(pathToFileURL(resolve(path)).href)) as { default: unknown });
  } catch (error) {
    throw new UsageError(`--answers ${path} cannot be loaded: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  if (typeof made === 'function') return made as NonNullable<EmulatorOptions['answer']>;
  throw new UsageError(`--answers ${path} must export by default a function (request) => response`);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
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
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= MAX_PORT) return port;
  throw new UsageError(`--port "${text}" is not a port: it is a number from 0 to ${MAX_PORT}`);
}
