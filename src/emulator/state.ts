import { join } from 'node:path';
import { type Random, seededRandom } from '../core/clock.ts';
import { hash } from './answers/words.ts';
import type { BlobStorage } from './blobs.ts';
import type { Ledger } from './ledger.ts';
import type { AccessEntry, Log, TransitionEntry } from './logs.ts';
import type { Resolved } from './options.ts';
import type { Seconds } from './profiles.ts';

/** What all parts of one running emulator share. */
export interface State {
  readonly options: Resolved;
  readonly directory: string;
  readonly ledger: Ledger;
  readonly access: Log<AccessEntry>;
  readonly events: Log<TransitionEntry>;
  /** Gives the data directory back. */
  readonly unlock: () => void;
  /** The account that batches may read from and write to, if there is one. */
  readonly blobs: BlobStorage | null;
  /** Enqueued tokens that each deployment admits now, or null for no limit. */
  readonly quota: { enqueuedTokens: number | null };
  /** Aborts when the emulator closes. */
  readonly closing: AbortSignal;
  /** Runs work in the background; close waits for it. */
  readonly background: (work: Promise<void>) => void;
  /** Tells of an error that nobody awaits: one that a caller saw as 500, or in the background. */
  readonly failed: (error: unknown) => void;
}

/** The content of a file of the service. */
export function contentPath(state: State, fileId: string): string {
  return join(state.directory, 'files', `${fileId}.jsonl`);
}

/** The index beside a batch input file. */
export function indexPath(state: State, fileId: string): string {
  return join(state.directory, 'files', `${fileId}.index`);
}

/** A file in the making. */
export function workPath(state: State, name: string): string {
  return join(state.directory, 'work', name);
}

/** Draws that depend on the seed and on what they are for, not on what was drawn before. */
export function randomFor(state: State, purpose: string): Random {
  return seededRandom(hash(purpose, state.options.seed));
}

/** A duration of the service, in ms of its own time. */
export function draw([least, most]: Seconds, random: Random): number {
  return Math.round((least + random() * (most - least)) * 1000);
}

/** Real ms of a duration of the service. */
export function sped(state: State, ms: number): number {
  return ms / state.options.speed;
}

/** Notes a change of state. */
export function note(
  state: State,
  entry: Omit<TransitionEntry, 'at' | 'detail'> & { detail?: Record<string, unknown> },
): void {
  const at = new Date(state.options.clock.now()).toISOString();
  const { kind, id, from, to, detail = {} } = entry;
  state.events.add({ at, kind, id, from, to, detail });
}
