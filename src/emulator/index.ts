/**
 * The local service: the Azure OpenAI Global Batch API and the OpenAI Batch API on this machine,
 * over real HTTP, with no model behind it and no cost.
 */
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { errorCode, MillraceError } from '../core/errors.ts';
import { Batches } from './batches.ts';
import { BlobStorage } from './blobs.ts';
import { Faults } from './faults/faults.ts';
import type { FaultScript } from './faults/rules.ts';
import { parseFaultScript } from './faults/script.ts';
import { Files } from './files.ts';
import { buildServer } from './http/server.ts';
import { Ledger } from './ledger.ts';
import { Lives } from './lives.ts';
import { lockDirectory } from './lock.ts';
import { type AccessEntry, Log, type TransitionEntry } from './logs.ts';
import { type EmulatorOptions, type Resolved, resolveOptions } from './options.ts';
import type { State } from './state.ts';

export type { EmulatedRequest, EmulatedResponse } from './answers/answerer.ts';
export { type VirtualClock, virtualClock } from './clock.ts';
export type { FaultRule, FaultScript, Foreign } from './faults/rules.ts';
export { parseFaultScript } from './faults/script.ts';
export { EMULATOR_KEY } from './key.ts';
export type { AccessEntry, TransitionEntry } from './logs.ts';
export type { EmulatorOptions } from './options.ts';
export { PROFILES, type Profile, type Seconds, type Switches } from './profiles.ts';
export { parseSwitches } from './switches.ts';

/** A running emulator. */
export interface Emulator {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string;
  readonly key: string;
  /** The calls that were answered, oldest first. */
  accessLog(): AccessEntry[];
  /** The changes of state of files and batches, oldest first. */
  eventLog(): TransitionEntry[];
  /** Puts a fault script in the place of the present one; counts begin anew. */
  setFaults(script: FaultScript): Promise<void>;
  /** How often each rule of the fault script has acted. */
  faultHits(): number[];
  /** Changes the enqueued tokens that each deployment admits; null for no limit. */
  setEnqueuedTokens(limit: number | null): void;
  /** Stops at once; what is running goes on when the same data directory is started again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a service and resolves when it takes calls. Throws a UsageError for options that cannot
 * be, `data_in_use` for a data directory that another emulator holds, `data_damaged` for one that
 * cannot be read, and `port_in_use`.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const resolved = resolveOptions(options);
  const { blobStorage } = resolved;
  const blobs = blobStorage === null ? null : await BlobStorage.open(blobStorage);
  const directory = resolved.data ?? (await mkdtemp(join(tmpdir(), 'millrace-emulator-')));
  const stop = new AbortController();
  const tasks = new Set<Promise<void>>();
  const state = openState(resolved, blobs, directory, stop.signal, tasks);
  const faults = new Faults(resolved.faults, resolved.seed);
  const files = new Files(state, faults);
  const lives = new Lives(state, faults, files);
  const batches = new Batches(state, faults, files, lives);
  const app = await buildServer(state, faults, files, batches);
  const end = async () => {
    stop.abort();
    await app.close();
    await Promise.all(tasks);
    state.ledger.close();
    state.access.close();
    state.events.close();
    state.unlock();
    if (resolved.data === null) await rm(directory, { recursive: true, force: true });
  };
  try {
    await files.resume();
    lives.resume();
    await listen(app, resolved);
    // After a restart they are there already.
    if (state.ledger.batches.size === 0) await batches.addForeigners(resolved.faults);
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
    async setFaults(script) {
      const parsed = parseFaultScript(script);
      faults.replace(parsed);
      await batches.addForeigners(parsed);
    },
    faultHits: () => faults.hits(),
    setEnqueuedTokens(limit) {
      state.quota.enqueuedTokens = limit;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function openState(
  options: Resolved,
  blobs: BlobStorage | null,
  directory: string,
  closing: AbortSignal,
  tasks: Set<Promise<void>>,
): State {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  let ledger: Ledger;
  try {
    ledger = Ledger.open(directory);
  } catch (error) {
    unlock();
    throw error;
  }
  // Nobody awaits these, and a mistake must not stay silent.
  const failed = (error: unknown) => {
    process.emitWarning(error instanceof Error ? error : String(error));
  };
  return {
    options,
    directory,
    ledger,
    access: new Log<AccessEntry>(join(directory, 'access.ndjson'), options.log),
    events: new Log<TransitionEntry>(join(directory, 'events.ndjson'), options.log),
    closing,
    blobs,
    unlock,
    quota: { enqueuedTokens: options.enqueuedTokens },
    failed,
    background: (work) => {
      const task = work
        .catch((error: unknown) => {
          if (!closing.aborted) failed(error);
        })
        .finally(() => tasks.delete(task));
      tasks.add(task);
    },
  };
}

async function listen(app: FastifyInstance, { host, port }: Resolved): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    if (errorCode(cause) !== 'EADDRINUSE') throw cause;
    const message = `port ${port} of ${host} is taken; stop what listens there, or take another port (0 is a free one)`;
    throw new MillraceError('port_in_use', message, { cause });
  }
}

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
