// Processes beside the benchmark: millrace's own command line, watched, and the emulator.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { built } from './build.ts';

const BIN = join(built(), 'cli', 'bin.js');
const QUICK_COUNTS = join(import.meta.dirname, 'quick-counts.ts');
const LOOK_MS = 100; // 100 ms

export interface Watched {
  readonly seconds: number;
  /** Of user and system, with what the process did in its last moments; exact to 0.02 s. */
  readonly cpu: number;
  readonly peakMiB: number;
  /** Resident MiB, every tenth of a second at most. */
  readonly curve: readonly [seconds: number, mib: number][];
  readonly code: number;
  readonly stderr: string;
}

/** Runs `millrace ...` to its end and looks at its memory meanwhile; one at a time, Linux only. */
export async function watchMillrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Watched> {
  return watch([BIN, ...args], env);
}

/** The same of any script of Node's. */
export async function watch(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Watched> {
  const begun = performance.now();
  const before = cpuOfChildren();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + chunk).slice(-4000);
  });
  let peakMiB = 0;
  const curve: [number, number][] = [];
  const timer = setInterval(() => {
    const seen = look(child);
    if (seen === null) return;
    peakMiB = Math.max(peakMiB, seen.peakMiB);
    curve.push([Math.round(performance.now() - begun) / 1000, Math.round(seen.mib)]);
  }, LOOK_MS);
  const [code] = (await once(child, 'close')) as [number];
  clearInterval(timer);
  return {
    seconds: (performance.now() - begun) / 1000,
    cpu: cpuOfChildren() - before,
    peakMiB,
    curve: thin(curve),
    code,
    stderr,
  };
}

export interface EmulatorProcess {
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly key: string;
  /** Seconds of its own processor time so far. */
  cpu(): number;
  stop(): Promise<void>;
}

/** `millrace emulator` in a process of its own; with `quick` it counts no tokens but estimates them. */
export async function startEmulatorProcess(
  flags: readonly string[] = [],
  { quick = false } = {},
): Promise<EmulatorProcess> {
  const preload = quick ? ['--import', pathToFileURL(QUICK_COUNTS).href] : [];
  const args = [...preload, BIN, 'emulator', '--port', '0', '--json', ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { url, key } = JSON.parse(line) as { url: string; key: string };
  return {
    url,
    key,
    env: { AZURE_OPENAI_ENDPOINT: url, AZURE_OPENAI_API_KEY: key },
    cpu: () => look(child)?.cpu ?? 0,
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

function look({ pid }: ChildProcess): { mib: number; peakMiB: number; cpu: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
    if (kib('VmRSS') === 0) return null;
    return { mib: kib('VmRSS') / 1024, peakMiB: kib('VmHWM') / 1024, cpu: ticks(pid, 14) };
  } catch {
    return null;
  }
}

/**
 * Seconds of processor time of the children of this process that have ended: the kernel adds a child's
 * whole account when it is waited for.
 */
function cpuOfChildren(): number {
  return ticks('self', 16);
}

/** Two neighbouring fields of /proc/PID/stat, of user and system, in seconds. */
function ticks(pid: number | string | undefined, field: number): number {
  // The second field, the name of the program, may hold blanks.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(stat[field - 3]) + Number(stat[field - 2])) / 100;
}

const MOST_POINTS = 300;

function thin(curve: readonly [number, number][]): [number, number][] {
  const every = Math.ceil(curve.length / MOST_POINTS);
  return curve.filter((_, i) => i % every === 0);
}
