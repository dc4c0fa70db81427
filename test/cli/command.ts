import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url));

/** What a command left behind. */
export interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Done>;
  /** Resolves when standard error has come to hold the text. */
  saw(text: string): Promise<void>;
}

/** The environment without anything of Azure's, and without npm's. */
const ENV = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(AZURE_|OPENAI_|npm_)/.test(name)),
);

export interface CommandOptions {
  readonly input?: string;
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `millrace` from its source. */
export function start(args: readonly string[], options: CommandOptions = {}): Running {
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), BIN, ...args], {
    env: { ...ENV, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  const done = new Promise<Done>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const saw = async (text: string) => {
    while (!stderr.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without "${text}":\n${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { child, done, saw };
}

/** Runs `millrace` to its end. */
export function millrace(args: readonly string[], options?: CommandOptions): Promise<Done> {
  return start(args, options).done;
}

/** A folder with `rows.csv`, and the paths of a job and an output in it. */
export function workplace(rows: number) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  const source = join(folder, 'rows.csv');
  const lines = Array.from(
    { length: rows },
    (_, i) => `${i},"row ${i}, ""quoted""\nзначение ${i}"`,
  );
  writeFileSync(source, `id,text\n${lines.join('\n')}\n`);
  return {
    folder,
    source,
    job: join(folder, 'rows.job'),
    out: join(folder, 'rows.ndjson'),
  };
}

/** Flags that make a job of small shards at the local service. */
export const LOCAL = ['--service', 'local', '--model', 'gpt-4o', '--prompt', 'Label: {{text}}'];

export function ndjson(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
