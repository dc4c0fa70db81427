import { type Clock, systemClock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import type { EmulatedRequest, EmulatedResponse } from './answers/answerer.ts';
import type { Upstream } from './answers/upstream.ts';
import type { FaultScript } from './faults/rules.ts';
import { parseFaultScript } from './faults/script.ts';
import { EMULATOR_KEY } from './key.ts';
import type { AccessEntry, TransitionEntry } from './logs.ts';
import { PROFILES, type Profile, type Switches } from './profiles.ts';
import { checkSwitches } from './switches.ts';

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
  /** What goes wrong. Default: nothing. */
  faults?: FaultScript;
  /** Adds the calls under `/emulator` that change faults and quota. Default false. */
  control?: boolean;
  /**
   * Answers in the model's place, with a text or with a whole body, for example
   * `({ body }) => (body.model === 'a' ? 'yes' : { status_code: 429, body: {} })`.
   */
  answer?: (request: EmulatedRequest) => EmulatedResponse | Promise<EmulatedResponse>;
  /** Base URL of an OpenAI-compatible server that answers in the model's place, such as `http://127.0.0.1:11434/v1`. */
  upstream?: string;
  /** Sent upstream as a Bearer token. Default: none. */
  upstreamKey?: string;
  /** Put in the place of each request's `model` on the way upstream. Default: it stays. */
  upstreamModel?: string;
  /**
   * Connection string of a storage account on this machine, such as Azurite's: batches may then have
   * blobs in it for their input and output. Default: none, and no blob can be read.
   */
  blobStorage?: string;
  /** Requests of one batch that are open upstream, or in `answer`, at one time. Default 16. */
  concurrency?: number;
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
  readonly faults: FaultScript;
  readonly control: boolean;
  readonly answer: EmulatorOptions['answer'];
  readonly upstream: Upstream | null;
  readonly blobStorage: string | null;
  readonly concurrency: number;
  readonly log: ((entry: AccessEntry | TransitionEntry) => void) | undefined;
}

/** Reads the options once. Throws a UsageError that names what is wrong, before anything is opened. */
export function resolveOptions(options: EmulatorOptions): Resolved {
  const profile = options.profile ?? 'azure';
  if (!Object.hasOwn(PROFILES, profile)) {
    throw new UsageError(`no profile ${profile}; there are ${Object.keys(PROFILES).join(', ')}`);
  }
  checkSwitches({ ...options.switches });
  const host = options.host ?? '127.0.0.1';
  const key = options.key ?? EMULATOR_KEY;
  if (key === '') throw new UsageError('the key is empty');
  if (!isLoopback(host) && key === EMULATOR_KEY) {
    throw new UsageError(
      `host ${host} can be reached by others, and the default key is known to all; give a key of your own (on the command line: MILLRACE_EMULATOR_KEY)`,
    );
  }
  const port = options.port ?? 0;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(`port is ${port}; it must be a whole number from 0 to 65535`);
  }
  const speed = options.speed ?? 1;
  if (!(speed > 0) || !Number.isFinite(speed)) {
    throw new UsageError(`speed is ${speed}; it must be a number above 0`);
  }
  const enqueuedTokens = options.enqueuedTokens ?? null;
  if (enqueuedTokens !== null && !(enqueuedTokens >= 0)) {
    throw new UsageError(`enqueuedTokens is ${enqueuedTokens}; it must not be negative`);
  }
  const concurrency = options.concurrency ?? 16;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new UsageError(`concurrency is ${concurrency}; it must be a whole number above 0`);
  }
  return {
    port,
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
    faults: parseFaultScript(options.faults ?? {}),
    control: options.control ?? false,
    answer: options.answer,
    upstream: upstreamOf(options),
    blobStorage: options.blobStorage ?? null,
    concurrency,
    log: options.log,
  };
}

function upstreamOf(options: EmulatorOptions): Upstream | null {
  const { upstream, upstreamKey = null, upstreamModel = null, answer } = options;
  if (upstream === undefined) return null;
  if (answer !== undefined) {
    throw new UsageError('answer and upstream both give the answers; choose one of them');
  }
  if (!URL.canParse(upstream) || !/^https?:/.test(upstream)) {
    throw new UsageError(`upstream is ${upstream}; it must be an http or https URL`);
  }
  return { url: upstream, key: upstreamKey, model: upstreamModel };
}

/** Whether an address or a host name is this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
