import { UsageError } from '../core/errors.ts';
import { PROFILES, type Switches } from './profiles.ts';

/** The switches that choose between words or numbers. */
type Choice = {
  [Name in keyof Switches]: Switches[Name] extends string
    ? Name
    : Switches[Name] extends 200 | 201
      ? Name
      : never;
}[keyof Switches];

/** What each of them may be: all that its type allows. */
const CHOICES: { readonly [Name in Choice]: readonly Switches[Name][] } = {
  timestamps: ['iso', 'int'],
  statusCase: ['title', 'lower'],
  unknownCounts: ['null', 'zero'],
  endpointField: ['null', 'absent', 'set'],
  inProgressAt: ['null', 'set'],
  emptyIds: ['null', 'empty'],
  failedShape: ['completed_at', 'failed_at'],
  fileStatus: ['set', 'null'],
  errorEnvelope: ['azure', 'openai'],
  ids: ['azure', 'openai'],
  createStatus: [200, 201],
  uploadStatus: [200, 201],
  listEnvelope: ['data', 'value'],
  listOrder: ['newest', 'oldest'],
  listFilter: ['preview', 'always', 'never'],
  auth: ['api-key', 'bearer', 'both'],
  apiVersion: ['required', 'optional'],
  requestIdHeader: ['apim-request-id', 'x-request-id'],
  tokenLimit: ['refuse', 'fail'],
  enqueuedHeader: ['characters', 'charged', 'none'],
  unknownFile: ['refuse', 'fail'],
  badWindow: ['refuse', 'fail'],
  emptyCode: ['empty_file', 'empty_batch'],
  badLineCode: ['invalid_request', 'missing_required_parameter'],
  serverErrorsIn: ['output', 'error'],
  expiredLines: ['error', 'missing'],
  cancelledLines: ['error', 'missing'],
  chatModel: ['version', 'asked'],
};

const CHOSEN: ReadonlyMap<string, readonly unknown[]> = new Map(Object.entries(CHOICES));

/** One value of each switch from every profile: what kinds of values it takes. */
const SAMPLES: ReadonlyMap<string, readonly unknown[]> = new Map(
  Object.keys(PROFILES.azure).map((name) => [
    name,
    Object.values(PROFILES).map((profile) => new Map(Object.entries(profile)).get(name)),
  ]),
);

/**
 * Reads switches from `name=value` texts, as a command line has them. A value is JSON
 * (`zeroByteErrorFile=false`, `pendingSeconds=[0,0]`) or a bare word (`timestamps=iso`). Throws a
 * UsageError for a name that is none and for a value that the switch cannot have.
 */
export function parseSwitches(texts: readonly string[]): Partial<Switches> {
  const entries = texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`switch ${text} has no value; write name=value`);
    const name = text.slice(0, at);
    return [name, readValue(name, text.slice(at + 1))] as const;
  });
  const switches = Object.fromEntries(entries);
  checkSwitches(switches);
  return switches as Partial<Switches>;
}

/** Refuses what is no switch, and values that the switch cannot have. */
export function checkSwitches(given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given)) {
    const samples = SAMPLES.get(name);
    if (samples === undefined) {
      throw new UsageError(`there is no switch ${name}; docs/emulator.md lists them`);
    }
    const choices = CHOSEN.get(name);
    if (choices !== undefined && !choices.includes(value)) {
      throw new UsageError(`switch ${name} must be one of ${choices.join(', ')}`);
    }
    const kinds = new Set(samples.map(kindOf));
    if (!kinds.has(kindOf(value))) {
      throw new UsageError(`switch ${name} must be a ${[...kinds].join(' or ')}`);
    }
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return value >= 0 ? 'number' : 'negative number';
  if (!Array.isArray(value)) return typeof value;
  if (!value.every((item) => typeof item === 'number')) return 'list of texts';
  const [least = 0, most = 0] = value as number[];
  const isRange = value.length === 2 && least >= 0 && least <= most;
  return isRange ? 'list of two numbers, the lesser first' : 'list of numbers';
}

function readValue(name: string, text: string): unknown {
  // `unknownCounts=null` is a word and not JSON's null.
  if (CHOSEN.get(name)?.includes(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // A bare word: most switches choose between names.
    return text;
  }
}
