import { UsageError } from '../../core/errors.ts';
import { CATALOGUE } from '../http/errors.ts';
import { CALLS, type FaultScript } from './rules.ts';

type Kind = 'call' | 'file' | 'batch' | 'line' | 'output';
type Field = 'number' | 'string' | 'boolean' | 'any';

/** Every action with the fields that it must and may have. */
const ACTIONS: Readonly<Record<Kind, Readonly<Record<string, Readonly<Record<string, Field>>>>>> = {
  call: {
    answer: {
      'status!': 'number',
      headers: 'any',
      body: 'any',
      retryAfterSeconds: 'number',
      retryAfterDateSeconds: 'number',
      retryAfterMs: 'number',
      shouldRetry: 'boolean',
      afterBytes: 'number',
    },
    refuse: { 'error!': 'string' },
    'cut-before': { afterBytes: 'number' },
    'cut-after': {},
    hang: { done: 'boolean' },
    delay: { 'ms!': 'number' },
    'bad-json': {},
    'cut-body': { 'afterBytes!': 'number' },
    'short-body': { 'bytes!': 'number' },
    'slow-body': { 'bytesPerSecond!': 'number' },
  },
  file: { pending: { 'seconds!': 'number' }, error: {}, hide: { 'ms!': 'number' } },
  batch: {
    fail: { 'code!': 'string', message: 'string', line: 'number', share: 'number' },
    expire: { share: 'number' },
    cancel: { share: 'number' },
    stall: { share: 'number' },
    'token-limit': { how: 'string' },
    hide: { 'ms!': 'number' },
    'no-file': { 'which!': 'string' },
    'lost-content': {},
  },
  line: {
    status: { 'status!': 'number', into: 'string' },
    'content-filter': { into: 'string' },
    missing: {},
    duplicate: { into: 'string' },
    'unknown-id': {},
    'raw-separators': {},
  },
  output: { bom: {}, 'blank-line': {}, 'no-final-newline': {} },
};

const WHEN: Readonly<Record<string, Field>> = {
  on: 'any',
  do: 'string',
  nth: 'any',
  after: 'number',
  count: 'number',
  probability: 'number',
  batch: 'any',
  customIds: 'any',
};

const FOREIGN: Readonly<Record<string, Field>> = {
  'batches!': 'number',
  'deployment!': 'string',
  tokens: 'number',
  seconds: 'number',
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
  const fields = typeof rule.do === 'string' ? actions[rule.do] : undefined;
  if (fields === undefined) {
    throw new UsageError(
      `${where}: "do" on ${kind} must be one of ${Object.keys(actions).join(', ')}`,
    );
  }
  checkFields(rule, { ...WHEN, ...fields }, where);
  if (rule.do === 'refuse' && !Object.hasOwn(CATALOGUE, String(rule.error))) {
    throw new UsageError(`${where}: "error" must be one of ${Object.keys(CATALOGUE).join(', ')}`);
  }
}

function checkFields(
  value: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Field>>,
  where: string,
): void {
  for (const [name, type] of Object.entries(fields)) {
    const key = name.replace('!', '');
    const given = value[key];
    if (given === undefined && name.endsWith('!')) {
      throw new UsageError(`${where}: "${key}" is missing`);
    }
    if (given !== undefined && type !== 'any' && typeof given !== type) {
      throw new UsageError(`${where}: "${key}" must be a ${type}`);
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
