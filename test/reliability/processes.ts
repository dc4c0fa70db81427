import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EmulatorOptions } from '../../src/emulator/index.ts';

/** The sources; a long run names dist/cli/bin.js, which starts in half the time. */
const CLI =
  process.env.MILLRACE_CLI ?? fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url));
const EMULATOR = fileURLToPath(new URL('./emulator-process.ts', import.meta.url));

/** What a process ended with. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process under test. */
export interface Running {
  readonly child: ChildProcess;
  /** What it has written to standard error so far. */
  stderr(): string;
  readonly ended: Promise<Ended>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<Ended>;
}

export function run(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Running {
  const child = spawn(process.execPath, [script, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (block) => {
    stdout += block;
  });
  child.stderr.on('data', (block) => {
    stderr += block;
  });
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout,
    stderr,
  }));
  return {
    child,
    stderr: () => stderr,
    ended,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** `millrace` with these arguments. */
export function millrace(args: readonly string[], env?: NodeJS.ProcessEnv): Running {
  return run(CLI, args, env);
}

/** An emulator in another process, which comes back at the same address after a kill. */
export class EmulatorProcess {
  readonly data: string;
  readonly #options: EmulatorOptions;
  #running: Running | null = null;
  #port = 0;
  url = '';
  key = '';

  constructor(data: string, options: EmulatorOptions) {
    this.data = data;
    this.#options = options;
  }

  async start(): Promise<void> {
    const options = { ...this.#options, data: this.data, port: this.#port };
    const running = run(EMULATOR, [JSON.stringify(options)]);
    this.#running = running;
    const ready = once(running.child.stdout!, 'data').then(([line]) => String(line));
    const early = running.ended.then(({ stderr }) => {
      throw new Error(`the emulator did not start: ${stderr}`);
    });
    const { url, key } = JSON.parse(await Promise.race([ready, early])) as Record<string, string>;
    early.catch(() => undefined);
    this.url = url ?? '';
    this.key = key ?? '';
    this.#port = Number(new URL(this.url).port);
  }

  async kill(): Promise<void> {
    await this.#running?.kill();
    this.#running = null;
  }

  /** The environment that names it to the client. */
  env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      AZURE_OPENAI_ENDPOINT: this.url,
      AZURE_OPENAI_API_KEY: this.key,
    };
  }
}
