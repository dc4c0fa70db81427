import { UsageError } from '../../core/errors.ts';
import { CATALOGUE } from '../http/errors.ts';
import { CALLS, type FaultScript } from './rules.ts';

/** What a field may hold, and how an error says it. */
interface Field {
  readonly what: string;
  readonly holds: (value: unknown) => boolean;
}

/** The fields that must (`name!`) and may be there. */
type Fields = Readonly<Record<string, Field>>;
type Kind = 'call' | 'file' | 'batch' | 'line' | 'output';

const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
const within = (least: number, most: number) => (value: unknown) =>
  isNumber(value) && Number(value) >= least && Number(value) <= most;
const isPlace = (value: unknown) => Number.isInteger(value) && Number(value) > 0;

const ANY: Field = { what: 'anything', holds: () => true };
const TEXT: Field = { what: 'a string', holds: (value) => typeof value === 'string' };
const FLAG: Field = { what: 'a boolean', holds: (value) => typeof value === 'boolean' };
const NUMBER: Field = { what: 'a number', holds: isNumber };
const AMOUNT: Field = { what: 'a number of 0 or more', holds: within(0, Infinity) };
const SHARE: Field = { what: 'a number from 0 to 1', holds: within(0, 1) };
const STATUS: Field = { what: 'an HTTP status from 200 to 599', holds: within(200, 599) };
const PLACES: Field = {
  what: 'a whole number above 0, or a list of them',
  holds: (value) => isPlace(value) || (Array.isArray(value) && value.every(isPlace)),
};
const TEXTS: Field = {
  what: 'a list of strings',
  holds: (value) => Array.isArray(value) && value.every(TEXT.holds),
};
const oneOf = (...words: readonly string[]): Field => ({
  what: `one of ${words.join(', ')}`,
  holds: (value) => words.some((word) => word === value),
});

const FILE = oneOf('output', 'error');

/** Every action with its fields. */
const ACTIONS: Readonly<Record<Kind, Readonly<Record<string, Fields>>>> = {
  call: {
    answer: {
      'status!': STATUS,
      headers: ANY,
      body: ANY,
      retryAfterSeconds: NUMBER,
      retryAfterDateSeconds: NUMBER,
      retryAfterMs: NUMBER,
      shouldRetry: FLAG,
      afterBytes: AMOUNT,
    },
    refuse: { 'error!': oneOf(...Object.keys(CATALOGUE)) },
    'cut-before': { afterBytes: AMOUNT },
    'cut-after': {},
    hang: { done: FLAG },
    delay: { 'ms!': AMOUNT },
    'bad-json': {},
    'cut-body': { 'afterBytes!': AMOUNT },
    'short-body': { 'bytes!': AMOUNT },
    'slow-body': { 'bytesPerSecond!': AMOUNT },
  },
  file: { pending: { 'seconds!': AMOUNT }, error: {}, hide: { 'ms!': AMOUNT } },
  batch: {
    fail: { 'code!': TEXT, message: TEXT, line: NUMBER, share: SHARE },
    expire: { share: SHARE },
    cancel: { share: SHARE },
    stall: { share: SHARE },
    'token-limit': { how: oneOf('refuse', 'fail') },
    hide: { 'ms!': AMOUNT },
    'no-file': { 'which!': oneOf('output', 'error', 'both') },
    'lost-content': {},
  },
  line: {
    status: { 'status!': AMOUNT, into: FILE },
    'content-filter': { into: FILE },
    missing: {},
    duplicate: { into: oneOf('same', 'both') },
    'unknown-id': {},
    'raw-separators': {},
  },
  output: { bom: {}, 'blank-line': {}, 'no-final-newline': {} },
};

const ALWAYS: Fields = {
  on: ANY,
  do: TEXT,
  nth: PLACES,
  after: AMOUNT,
  count: AMOUNT,
  probability: SHARE,
};

/** When a rule acts. */
const WHEN: Readonly<Record<Kind, Fields>> = {
  call: ALWAYS,
  file: ALWAYS,
  batch: ALWAYS,
  line: { ...ALWAYS, batch: PLACES, customIds: TEXTS },
  output: { ...ALWAYS, batch: PLACES },
};

const FOREIGN: Fields = {
  'batches!': AMOUNT,
  'deployment!': TEXT,
  tokens: AMOUNT,
  seconds: AMOUNT,
};

/** Reads a script of whatever origin. Throws a UsageError that names the rule and what is wrong with it. */
export function parseFaultScript(value: unknown): FaultScript {
  const script = object(value, 'the fault script');
  for (const key of Object.keys(script)) {
    if (key !== 'rules' && key !== 'foreign')
      throw new UsageError(`the fault script has no ${key}`);
  }
  list(script.rules, 'rules').forEach((rule, index) => {
    checkRule(rule, `rule ${index + 1}`);
  });
  list(script.foreign, 'foreign').forEach((entry, index) => {
    const where = `foreign ${index + 1}`;
    checkFields(object(entry, where), FOREIGN, where);
  });
  return script as FaultScript;
}

function checkRule(value: unknown, where: string): void {
  const rule = object(value, where);
  const kind = kindOf(rule.on);
  if (kind === undefined) {
    throw new UsageError(
      `${where}: "on" must be one of ${CALLS.join(', ')}, *, file, batch, line, output`,
    );
  }
  const actions = ACTIONS[kind];
  const known = typeof rule.do === 'string' && Object.hasOwn(actions, rule.do);
  const fields = known ? actions[String(rule.do)] : undefined;
  if (fields === undefined) {
    throw new UsageError(
      `${where}: "do" on ${kind} must be one of ${Object.keys(actions).join(', ')}`,
    );
  }
  checkFields(rule, { ...WHEN[kind], ...fields }, where);
}

function checkFields(
  value: Readonly<Record<string, unknown>>,
  fields: Fields,
  where: string,
): void {
  for (const [name, { what, holds }] of Object.entries(fields)) {
    const key = name.replace('!', '');
    const given = value[key];
    if (given === undefined && name.endsWith('!')) {
      throw new UsageError(`${where}: "${key}" is missing`);
    }
    if (given !== undefined && !holds(given)) {
      throw new UsageError(`${where}: "${key}" must be ${what}`);
    }
  }
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(fields, key) && !Object.hasOwn(fields, `${key}!`)) {
      throw new UsageError(`${where}: there is no "${key}" here`);
    }
  }
}

function kindOf(on: unknown): Kind | undefined {
  if (on === 'file' || on === 'batch' || on === 'line' || on === 'output') return on;
  const calls: readonly unknown[] = Array.isArray(on) ? on : [on];
  const known = (call: unknown) => call === '*' || CALLS.some((name) => name === call);
  return calls.length > 0 && calls.every(known) ? 'call' : undefined;
}

function object(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${where} must be an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new UsageError(`"${where}" must be a list`);
  return value;
}
