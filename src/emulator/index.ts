/**
 * The local service: the Azure OpenAI Global Batch API and the OpenAI Batch API on this machine,
 * over real HTTP, with no model behind it and no cost.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { modelAnswerer, unansweredLine } from './answers.ts';
import { Batches } from './batches.ts';
import { Files } from './files.ts';
import { Ledger } from './ledger.ts';
import { Lives } from './lives.ts';
import { type AccessEntry, Log, type TransitionEntry } from './logs.ts';
import { type EmulatorOptions, type Resolved, resolveOptions } from './options.ts';
import { buildServer } from './server.ts';
import type { State } from './state.ts';

export { EMULATOR_KEY } from './key.ts';
export type { AccessEntry, TransitionEntry } from './logs.ts';
export type { EmulatorOptions } from './options.ts';
export { PROFILES, type Profile, type Seconds, type Switches } from './profiles.ts';

/** A running emulator. */
export interface Emulator {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string;
  readonly key: string;
  /** The calls that were answered, oldest first. */
  accessLog(): AccessEntry[];
  /** The changes of state of files and batches, oldest first. */
  eventLog(): TransitionEntry[];
  /** Stops at once; what is running goes on when the same data directory is started again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a service and resolves when it takes calls. Throws a UsageError for options that cannot
 * be, and `data_damaged` for a data directory that cannot be read.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const resolved = resolveOptions(options);
  const directory = resolved.data ?? (await mkdtemp(join(tmpdir(), 'millrace-emulator-')));
  const stop = new AbortController();
  const tasks = new Set<Promise<void>>();
  const state = openState(resolved, directory, stop.signal, tasks);
  const files = new Files(state);
  const lives = new Lives(state, files, modelAnswerer(state), unansweredLine(resolved.switches));
  const app = await buildServer(state, files, new Batches(state, files, lives));
  files.resume();
  lives.resume();
  const end = async () => {
    stop.abort();
    await app.close();
    await Promise.all(tasks);
    state.ledger.close();
    state.access.close();
    state.events.close();
    if (resolved.data === null) await rm(directory, { recursive: true, force: true });
  };
  try {
    await app.listen({ host: resolved.host, port: resolved.port });
  } catch (error) {
    await end();
    throw error;
  }
  let ended: Promise<void> | undefined;
  const close = () => {
    ended ??= end();
    return ended;
  };
  return {
    url: urlOf(resolved.host, portOf(app)),
    key: resolved.key,
    accessLog: () => state.access.entries(),
    eventLog: () => state.events.entries(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function openState(
  options: Resolved,
  directory: string,
  closing: AbortSignal,
  tasks: Set<Promise<void>>,
): State {
  const ledger = Ledger.open(directory);
  const failures: unknown[] = [];
  return {
    options,
    directory,
    ledger,
    access: new Log<AccessEntry>(join(directory, 'access.ndjson'), options.log),
    events: new Log<TransitionEntry>(join(directory, 'events.ndjson'), options.log),
    closing,
    failures,
    background: (work) => {
      const task = work
        .catch((error: unknown) => {
          failures.push(error);
          // Nobody awaits it, and a mistake of ours must not stay silent.
          if (!closing.aborted) process.emitWarning(error instanceof Error ? error : String(error));
        })
        .finally(() => tasks.delete(task));
      tasks.add(task);
    },
  };
}

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
