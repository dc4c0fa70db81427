import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Target } from '../../src/core/service.ts';
import {
  type Emulator,
  type EmulatorOptions,
  startEmulator,
  type TransitionEntry,
} from '../../src/emulator/index.ts';
import { azureOpenAI } from '../../src/service/targets.ts';

/** A directory of its own for one test. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A fast service on loopback, for one test. */
export async function service(options: EmulatorOptions = {}): Promise<Emulator> {
  const emulator = await startEmulator({ speed: 20_000, ...options });
  onTestFinished(() => emulator.close());
  return emulator;
}

export function targetAt(
  emulator: Pick<Emulator, 'url' | 'key'>,
  options: { enqueuedTokens?: number; deployment?: string } = {},
): Target {
  return azureOpenAI({
    endpoint: emulator.url,
    apiKey: emulator.key,
    deployment: 'label-batch',
    ...options,
  });
}

export interface Review {
  id: string;
  text: string;
}

/** Records with the characters that break line splitters and CSV writers. */
export function reviews(count: number): Review[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `r${n}`,
    text: `No. ${n}: "good", said she;\nнет, плохо — 很好\u2028 ${'word '.repeat(n % 17)}`,
  }));
}

/** The waits of a test: a poll every few milliseconds. */
export const FAST = { pollIntervalMs: 20, submitGraceMs: 400 };

/** The most tokens that were charged at one time, as the service's own log has it. */
export function mostCharged(log: readonly TransitionEntry[]): number {
  const live = new Map<string, number>();
  let most = 0;
  for (const { kind, id, to, detail } of log) {
    if (kind !== 'batch') continue;
    if (to === 'validating') live.set(id, Number(detail.tokens));
    if (/^(completed|failed|expired|cancelled)$/.test(to)) live.delete(id);
    most = Math.max(
      most,
      [...live.values()].reduce((sum, tokens) => sum + tokens, 0),
    );
  }
  return most;
}
