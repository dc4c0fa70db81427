import { type Clock, systemClock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import { EMULATOR_KEY } from './key.ts';
import type { AccessEntry, TransitionEntry } from './logs.ts';
import { PROFILES, type Profile, type Switches } from './profiles.ts';

/** All optional. */
export interface EmulatorOptions {
  /** 0, the default, takes a free port. */
  port?: number;
  /** Default 127.0.0.1. Any address that is not loopback needs a `key` of your own. */
  host?: string;
  /** Default EMULATOR_KEY. */
  key?: string;
  /** Directory that survives restarts. Default: a temporary one, removed at close. */
  data?: string;
  /** Default `azure`. */
  profile?: Profile;
  /** Laid over the profile. */
  switches?: Partial<Switches>;
  /** Every duration of the service is divided by it. Default 1: minutes, as recorded. */
  speed?: number;
  /** Default the system's. */
  clock?: Clock;
  /** Of the draws of durations, orders and faults. Default 1. */
  seed?: number;
  /** Enqueued tokens that each deployment admits. Default: no limit. */
  enqueuedTokens?: number;
  /** Names of the deployments there are. Default: any name is one. */
  deployments?: readonly string[];
  /** Sees every entry of both logs as it is written. */
  log?: (entry: AccessEntry | TransitionEntry) => void;
}

/** What the inside sees. */
export interface Resolved {
  readonly port: number;
  readonly host: string;
  readonly key: string;
  readonly data: string | null;
  readonly profile: Profile;
  readonly switches: Switches;
  readonly speed: number;
  readonly clock: Clock;
  readonly seed: number;
  readonly enqueuedTokens: number | null;
  readonly deployments: ReadonlySet<string> | null;
  readonly log: ((entry: AccessEntry | TransitionEntry) => void) | undefined;
}

/** Reads the options once. Throws a UsageError that names what is wrong, before anything is opened. */
export function resolveOptions(options: EmulatorOptions): Resolved {
  const profile = options.profile ?? 'azure';
  if (!Object.hasOwn(PROFILES, profile)) {
    throw new UsageError(`no profile ${profile}; there are ${Object.keys(PROFILES).join(', ')}`);
  }
  const host = options.host ?? '127.0.0.1';
  const key = options.key ?? EMULATOR_KEY;
  if (key === '') throw new UsageError('the key is empty');
  if (!isLoopback(host) && key === EMULATOR_KEY) {
    throw new UsageError(
      `host ${host} can be reached by others, and the default key is known to all; give a key of your own`,
    );
  }
  const speed = options.speed ?? 1;
  if (!(speed > 0) || !Number.isFinite(speed)) {
    throw new UsageError(`speed is ${speed}; it must be a number above 0`);
  }
  const enqueuedTokens = options.enqueuedTokens ?? null;
  if (enqueuedTokens !== null && !(enqueuedTokens >= 0)) {
    throw new UsageError(`enqueuedTokens is ${enqueuedTokens}; it must not be negative`);
  }
  return {
    port: options.port ?? 0,
    host,
    key,
    data: options.data ?? null,
    profile,
    switches: { ...PROFILES[profile], ...options.switches },
    speed,
    clock: options.clock ?? systemClock,
    seed: options.seed ?? 1,
    enqueuedTokens,
    deployments: options.deployments === undefined ? null : new Set(options.deployments),
    log: options.log,
  };
}

/** Whether an address or a host name is this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
